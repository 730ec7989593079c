#include "strategy/host.h"

#include <utility>

#include "base/strategy_limits.h"

namespace baton::strategy {

Host::Host(std::string plugin, PluginLog log)
    : plugin_(std::move(plugin)), log_(std::move(log)),
      table_{sizeof(baton_host), BATON_STRATEGY_MAJOR, BATON_STRATEGY_MINOR, this, &Host::write} {}

void Host::write(void* context, std::uint32_t level, const char* text, std::size_t size) {
    if (text != nullptr) static_cast<Host*>(context)->write(level, std::string_view(text, size));
}

void Host::write(std::uint32_t level, std::string_view text) {
    const Millis second = monotonic_now() / 1'000;
    if (second_.exchange(second) != second) lines_ = 0;
    if (!log_ || ++lines_ > limits::plugin_log_lines) return;
    const LogLevel known = level <= BATON_LOG_DEBUG     ? LogLevel::debug
                           : level == BATON_LOG_INFO    ? LogLevel::info
                           : level == BATON_LOG_WARNING ? LogLevel::warning
                                                        : LogLevel::error;
    log_(known, plugin_, text.substr(0, limits::plugin_log_line_bytes));
}

}  // namespace baton::strategy
