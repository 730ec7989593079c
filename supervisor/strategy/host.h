// What a plugin may ask of its host: the baton_host table over a log, with a limit on lines.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include <baton/strategy.h>

#include "base/time.h"
#include "strategy/balancer.h"

namespace baton::strategy {

class Host {
  public:
    Host(std::string plugin, PluginLog log);
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    const baton_host& table() const { return table_; }

  private:
    static void write(void* context, std::uint32_t level, const char* text, std::size_t size);
    void write(std::uint32_t level, std::string_view text);

    std::string plugin_;
    PluginLog log_;
    baton_host table_;
    std::atomic<std::uint32_t> lines_{0};  // in the present second
    std::atomic<Millis> second_{0};
};

}  // namespace baton::strategy
