// The members of a command's JSON body, read strictly: what is missing, of the wrong type, out of
// bounds or unknown is collected, so that one answer names every mistake.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::admin {

class Body {
  public:
    // An empty text is an object without members.
    explicit Body(std::string_view text);
    ~Body();
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;

    bool boolean(std::string_view name, bool fallback);
    std::optional<std::string> text(std::string_view name);
    // Required, and within [low, high].
    std::uint32_t number(std::string_view name, std::uint32_t low, std::uint32_t high);

    void mistake(std::string what) { mistakes_.push_back(std::move(what)); }
    // Call it last: members that nobody asked for are mistakes too.
    std::vector<std::string> mistakes() const;

  private:
    struct Members;
    std::unique_ptr<Members> members_;
    std::vector<std::string> mistakes_;
};

}  // namespace baton::admin
