#include "keeper/message.h"

#include "base/limits.h"

namespace baton::keeper {

Result<Message> Message::open(std::string_view bytes) {
    Message message;
    if (bytes.size() < sizeof(Header) || bytes.size() > limits::message_bytes) return failed("keeper message: wrong size");
    std::memcpy(&message.header_, bytes.data(), sizeof(Header));
    bytes.remove_prefix(sizeof(Header));
    if (message.header_.magic != message_magic) return failed("keeper message: not a message of Baton");
    // Of any version: bodies only grow at their end, and an unknown type is refused or passed over.
    if (message.header_.version == 0) return failed("keeper message: no version");
    if (message.header_.body_bytes > bytes.size()) return failed("keeper message: cut short");
    message.body_ = bytes.substr(0, message.header_.body_bytes);
    message.tail_ = bytes.substr(message.header_.body_bytes);
    return message;
}

Result<std::vector<std::string>> Message::strings() const {
    std::vector<std::string> list;
    std::string_view left = tail_;
    while (!left.empty()) {
        const auto end = left.find('\0');
        if (end == std::string_view::npos) return failed("keeper message: a string is not ended");
        list.emplace_back(left.substr(0, end));
        left.remove_prefix(end + 1);
    }
    return list;
}

}  // namespace baton::keeper
