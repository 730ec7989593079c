#include "event_stream.h"

#include <utility>

namespace baton::cli {

std::vector<ServerEvent> EventStream::feed(std::string_view piece) {
    rest_ += piece;
    std::vector<ServerEvent> whole;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
        std::string_view text(rest_.data() + begin, end - begin);
        if (text.ends_with('\r')) text.remove_suffix(1);
        line(text, whole);
    }
    rest_.erase(0, begin);
    return whole;
}

void EventStream::line(std::string_view text, std::vector<ServerEvent>& whole) {
    if (text.empty()) {
        if (begun_) whole.push_back(std::exchange(building_, {}));
        begun_ = false;
        return;
    }
    const auto colon = text.find(':');
    const std::string_view field = text.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "id") {
        building_.id = value;
    } else if (field == "event") {
        building_.name = value;
        begun_ = true;
    } else if (field == "data") {
        if (!building_.data.empty()) building_.data += '\n';
        building_.data += value;
        begun_ = true;
    }
}

}  // namespace baton::cli
