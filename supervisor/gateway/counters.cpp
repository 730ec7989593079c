#include "gateway/counters.h"

#include <cstring>

#include "base/gateway_limits.h"

namespace baton::gateway {
namespace {

constexpr std::uint64_t magic = 0x424154'4f4e434eULL;
constexpr std::uint64_t version = 1;

struct Header {
    std::uint64_t magic = 0;
    std::uint64_t version = 0;
    std::uint64_t slots = 0;
};

constexpr std::size_t totals_at = 64;
// A cache line of its own. In a file of a batond without plugins it is there, too, and says: nobody.
constexpr std::size_t crumb_at = 192;
constexpr std::size_t slots_at = 256;
static_assert(sizeof(Header) <= totals_at && totals_at + sizeof(Totals) <= crumb_at && crumb_at + sizeof(model::Breadcrumb) <= slots_at);

}  // namespace

// Places are found by hashing with open addressing; one that was ever used keeps its number, so that a
// search that passes over it goes on.
struct Counters::Slot {
    std::uint64_t endpoint = 0;  // 0: never used
    std::uint64_t open = 0;
    std::uint64_t left = 0;      // it is in the table no more
};

Result<sys::UniqueFd> Counters::create() {
    auto file = sys::memory("baton-counters", slots_at + limits::counted_endpoints * sizeof(Slot));
    if (!file) return file.error();
    if (auto sealed = sys::seal_size(*file); !sealed) return sealed.error();
    auto mapping = sys::Mapping::map(*file);
    if (!mapping) return mapping.error();
    const Header header{magic, version, limits::counted_endpoints};
    std::memcpy(mapping->bytes().data(), &header, sizeof(header));
    return std::move(*file);
}

Result<Counters> Counters::open(const sys::UniqueFd& file) {
    auto mapping = sys::Mapping::map(file);
    if (!mapping) return mapping.error();
    Header header;
    if (mapping->bytes().size() < slots_at) return failed("a worker's counters are too short");
    std::memcpy(&header, mapping->bytes().data(), sizeof(header));
    const bool fits = header.slots == limits::counted_endpoints && mapping->bytes().size() >= slots_at + header.slots * sizeof(Slot);
    if (header.magic != magic || header.version != version || !fits) return failed("a worker's counters are of another version");
    return Counters(std::move(*mapping));
}

Counters::Counters(sys::Mapping mapping)
    : mapping_(std::move(mapping)),
      totals_(reinterpret_cast<Totals*>(mapping_.bytes().data() + totals_at)),
      crumb_(reinterpret_cast<model::Breadcrumb*>(mapping_.bytes().data() + crumb_at)),
      slots_(reinterpret_cast<Slot*>(mapping_.bytes().data() + slots_at)) {}

Counters::Slot* Counters::find(std::uint64_t endpoint) const {
    for (std::size_t i = 0; i < limits::counted_endpoints; ++i) {
        Slot& slot = slots_[(endpoint + i) % limits::counted_endpoints];
        const std::uint64_t holder = __atomic_load_n(&slot.endpoint, __ATOMIC_ACQUIRE);
        if (holder == endpoint) return &slot;
        if (holder == 0) return nullptr;
    }
    return nullptr;
}

std::uint64_t* Counters::slot(std::uint64_t endpoint) {
    if (Slot* known = find(endpoint)) {
        known->left = 0;
        return &known->open;
    }
    for (std::size_t i = 0; i < limits::counted_endpoints; ++i) {
        Slot& slot = slots_[(endpoint + i) % limits::counted_endpoints];
        if (slot.endpoint != 0 && (slot.left == 0 || slot.open != 0)) continue;
        slot.left = slot.open = 0;
        __atomic_store_n(&slot.endpoint, endpoint, __ATOMIC_RELEASE);
        return &slot.open;
    }
    return nullptr;
}

void Counters::forget(std::uint64_t endpoint) {
    if (Slot* known = find(endpoint)) known->left = 1;
}

std::uint64_t Counters::open_connections(std::uint64_t endpoint) const {
    const Slot* known = find(endpoint);
    return known == nullptr ? 0 : __atomic_load_n(&known->open, __ATOMIC_RELAXED);
}

}  // namespace baton::gateway
