#include "gateway/ticket_keys.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <type_traits>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "base/http_limits.h"

namespace baton::gateway {
namespace {

constexpr std::uint64_t magic = 0x4241'5454'4b45'5953ULL;
constexpr std::uint64_t version = 1;

// As it is written.
struct File {
    std::uint64_t magic = 0;
    std::uint64_t version = 0;
    std::int64_t turned = 0;
    std::array<TicketKey, 3> keys;
};
static_assert(limits::tls_session <= limits::tls_ticket_turn, "a ticket may be used for as long as its key opens");
static_assert(std::is_trivially_copyable_v<File> && sizeof(File) == 24 + 3 * 80);

TicketKey make_key() {
    TicketKey key;
    CHECK(RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1);
    CHECK(RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) == 1);
    CHECK(RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) == 1);
    return key;
}

}  // namespace

TicketKeys::~TicketKeys() {
    OPENSSL_cleanse(keys_.data(), sizeof(keys_));
}

TicketKeys TicketKeys::make(Millis now) {
    TicketKeys made;
    made.turned_ = now;
    // The last one has sealed nothing: it is there to be no key that anybody knows.
    for (TicketKey& key : made.keys_) key = make_key();
    return made;
}

Result<TicketKeys> TicketKeys::load(const sys::UniqueFd& file) {
    auto bytes = sys::read_all(file, sizeof(File));
    if (!bytes) return bytes.error().context("the keys of tickets");
    File read;
    if (bytes->size() != sizeof(read)) return failed("the keys of tickets: there are not as many bytes as they have");
    std::memcpy(&read, bytes->data(), sizeof(read));
    OPENSSL_cleanse(bytes->data(), bytes->size());
    if (read.magic != magic || read.version != version) return failed("the keys of tickets are of another version");
    TicketKeys keys;
    keys.turned_ = read.turned;
    keys.keys_ = read.keys;
    OPENSSL_cleanse(&read, sizeof(read));
    return keys;
}

Result<sys::UniqueFd> TicketKeys::save() const {
    File written{magic, version, turned_, keys_};
    auto file = sys::sealed_memory("baton-tickets", {reinterpret_cast<const char*>(&written), sizeof(written)});
    OPENSSL_cleanse(&written, sizeof(written));
    return file;
}

bool TicketKeys::turn(Millis now) {
    const Millis turns = (now - turned_) / limits::tls_ticket_turn;
    if (turns < 1) return false;
    for (Millis i = 0; i < std::min<Millis>(turns, static_cast<Millis>(keys_.size())); ++i) {
        keys_[2] = keys_[1];
        keys_[1] = keys_[0];
        keys_[0] = make_key();
    }
    turned_ += turns * limits::tls_ticket_turn;
    return true;
}

Millis TicketKeys::due() const {
    return turned_ + limits::tls_ticket_turn;
}

std::uint64_t TicketKeys::id() const {
    std::uint64_t id = 0;
    std::memcpy(&id, keys_[0].name.data(), sizeof(id));
    return std::max<std::uint64_t>(id, 1);
}

const TicketKey* TicketKeys::find(std::span<const unsigned char, ticket_name_bytes> name) const {
    const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const TicketKey& key) { return std::equal(name.begin(), name.end(), key.name.begin()); });
    return found == keys_.end() ? nullptr : &*found;
}

}  // namespace baton::gateway
