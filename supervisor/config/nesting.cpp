#include "config/nesting.h"

#include "base/limits.h"

namespace baton::config {
namespace {

// Splits TOML only as far as is needed to tell dots and brackets from those within strings and comments.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::uint32_t run() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            switch (c) {
                case '#': skip_comment(); continue;
                case '"':
                case '\'': skip_string(c); continue;
                case '\n':
                    ++line_;
                    parts_ = 0;
                    break;
                case '[':
                case '{':
                    ++open_;
                    parts_ = 0;
                    break;
                case ']':
                case '}':
                    if (open_ > 0) --open_;
                    break;
                case ',':
                case '=': parts_ = 0; break;
                case '.': ++parts_; break;
                default: break;
            }
            ++at_;
            if (parts_ >= limits::toml_key_parts || open_ > limits::toml_nesting) return line_;
        }
        return 0;
    }

  private:
    void skip_comment() {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    }

    bool three(char quote) const {
        return at_ + 2 < text_.size() && text_[at_] == quote && text_[at_ + 1] == quote &&
               text_[at_ + 2] == quote;
    }

    void skip_string(char quote) {
        const bool long_form = three(quote);
        at_ += long_form ? 3 : 1;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\n') {
                if (!long_form) return;  // unterminated: the library will say so
                ++line_;
            }
            if (c == '\\' && quote == '"' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') {
                at_ += 2;
                continue;
            }
            if (c == quote && (!long_form || three(quote))) {
                at_ += long_form ? 3 : 1;
                // Up to two quotes may stand directly before the closing three.
                for (int extra = 0; long_form && extra < 2 && at_ < text_.size() && text_[at_] == quote;
                     ++extra)
                    ++at_;
                return;
            }
            ++at_;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t parts_ = 0;  // dots since the key began
    std::size_t open_ = 0;
    std::uint32_t line_ = 1;
};

}  // namespace

std::uint32_t line_nested_too_deep(std::string_view text) {
    return Scanner(text).run();
}

}  // namespace baton::config
