// Bytes that claim to be a message between keeper and master: refused or read, never more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "keeper/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace baton::keeper;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto message = Message::open(bytes)) {
        static_cast<void>(message->strings());
        static_cast<void>(message->body<Spawn>());
        static_cast<void>(message->body<Signal>());
        static_cast<void>(message->body<Welcome>());
        static_cast<void>(message->body<HeldPage>());
    }
    return 0;
}
