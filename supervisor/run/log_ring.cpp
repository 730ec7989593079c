#include "run/log_ring.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"
#include "run/utf8.h"

namespace baton::run {
namespace {

constexpr std::uint64_t ring_magic = 0x676E69722D676F6CULL;
constexpr std::uint64_t ring_version = 1;
constexpr std::size_t least_bytes = 4 * 1024;
constexpr std::uint64_t records_per_mark = 64;
// What is larger is no record. A change of these limits needs a new version.
constexpr std::uint64_t record_bytes_max =
    32 + limits::log_instance_bytes + limits::captured_line_bytes + 7;

struct RecordHeader {
    std::uint32_t size = 0;
    std::uint32_t checksum = 0;
    std::uint64_t number = 0;
    std::int64_t wall = 0;
    std::uint32_t instance_bytes = 0;
    std::uint32_t text_bytes = 0;
};
static_assert(sizeof(RecordHeader) == 32);
constexpr std::size_t checksum_end =
    offsetof(RecordHeader, checksum) + sizeof(RecordHeader::checksum);

// FNV-1a, folded: it is to find torn and foreign bytes, not to keep anybody out.
std::uint32_t checksum_of(std::span<const std::byte> bytes) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const std::byte byte : bytes)
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3ULL;
    return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

std::uint64_t load(const std::uint64_t& word) {
    return std::atomic_ref(const_cast<std::uint64_t&>(word)).load(std::memory_order_acquire);
}

void store(std::uint64_t& word, std::uint64_t value) {
    std::atomic_ref(word).store(value, std::memory_order_release);
}

bool matches(std::string_view instance, std::string_view filter) {
    if (filter.empty() || instance == filter) return true;
    return instance.starts_with(filter) && instance[filter.size()] == '/';
}

}  // namespace

struct LogRing::Header {
    std::uint64_t magic;
    std::uint64_t version;
    std::uint64_t bytes;
    std::uint64_t tail;
    std::uint64_t head;
    std::uint64_t last;
    std::uint64_t zero[2];
};

struct LogRing::Record {
    RecordHeader header;
    std::vector<char> bytes;  // name and text

    std::string_view instance() const { return {bytes.data(), header.instance_bytes}; }
    std::string_view text() const {
        return {bytes.data() + header.instance_bytes, header.text_bytes};
    }
};

LogRing::LogRing(sys::UniqueFd descriptor, sys::Mapping mapping)
    : descriptor_(std::move(descriptor)), mapping_(std::move(mapping)) {}

LogRing::Header& LogRing::header() const {
    static_assert(sizeof(Header) == 64);
    return *reinterpret_cast<Header*>(mapping_.bytes().data());
}

std::span<std::byte> LogRing::room() const {
    return mapping_.bytes().subspan(sizeof(Header));
}

Result<LogRing> LogRing::create(std::size_t bytes) {
    CHECK(bytes >= least_bytes && bytes % 8 == 0);
    auto file = sys::memory("baton-log", bytes);
    if (!file) return file.error();
    if (auto sealed = sys::seal_size(*file); !sealed) return sealed.error();
    auto mapping = sys::Mapping::map(*file);
    if (!mapping) return mapping.error();
    LogRing ring(std::move(*file), std::move(*mapping));
    ring.header().version = ring_version;
    ring.header().bytes = bytes;
    store(ring.header().magic, ring_magic);
    return ring;
}

Result<LogRing> LogRing::open(const sys::UniqueFd& descriptor) {
    auto copy = sys::duplicate(descriptor);
    if (!copy) return copy.error();
    auto mapping = sys::Mapping::map(*copy);
    if (!mapping) return mapping.error().context("the captured lines");
    if (mapping->bytes().size() < least_bytes)
        return failed("the captured lines: the file is too short");
    LogRing ring(std::move(*copy), std::move(*mapping));
    const Header& header = ring.header();
    if (load(header.magic) != ring_magic)
        return failed("the captured lines: the file is something else");
    if (header.version != ring_version) {
        return failed("the captured lines: version " + std::to_string(header.version) +
                      " is not known here");
    }
    const std::uint64_t tail = load(header.tail);
    const std::uint64_t head = load(header.head);
    const bool sound = header.bytes == ring.mapping_.bytes().size() && tail <= head &&
                       head - tail <= ring.room().size() && tail % 8 == 0 && head % 8 == 0 &&
                       header.bytes % 8 == 0;
    if (!sound) return failed("the captured lines: the sizes in the file do not agree");
    return ring;
}

void LogRing::copy_in(std::uint64_t position, std::span<const std::byte> bytes) {
    const auto ring = room();
    const std::size_t place = position % ring.size();
    const std::size_t before_end = std::min(bytes.size(), ring.size() - place);
    std::memcpy(ring.data() + place, bytes.data(), before_end);
    std::memcpy(ring.data(), bytes.data() + before_end, bytes.size() - before_end);
}

void LogRing::copy_out(std::uint64_t position, std::span<std::byte> bytes) const {
    const auto ring = room();
    const std::size_t place = position % ring.size();
    const std::size_t before_end = std::min(bytes.size(), ring.size() - place);
    std::memcpy(bytes.data(), ring.data() + place, before_end);
    std::memcpy(bytes.data() + before_end, ring.data(), bytes.size() - before_end);
}

// The record at `position`; nothing where none stands there whole.
std::optional<LogRing::Record> LogRing::read(std::uint64_t position, std::uint64_t head) const {
    if (head - position < sizeof(RecordHeader)) return std::nullopt;
    RecordHeader header;
    copy_out(position, std::as_writable_bytes(std::span(&header, 1)));
    const std::uint64_t used =
        sizeof(header) + std::uint64_t{header.instance_bytes} + header.text_bytes;
    const std::uint64_t most = std::min(record_bytes_max, head - position);
    if (header.size % 8 != 0 || header.size < used || header.size > most) return std::nullopt;

    std::vector<std::byte> whole(header.size);
    copy_out(position, whole);
    // Another process may have written over it meanwhile.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (load(this->header().tail) > position) return std::nullopt;
    if (checksum_of(std::span(whole).subspan(checksum_end)) != header.checksum) return std::nullopt;
    Record record{header, {}};
    const auto* const bytes = reinterpret_cast<const char*>(whole.data());
    record.bytes.assign(bytes + sizeof(header), bytes + used);
    return record;
}

// The first record at `position` or after it, and its position. Only in a ring that somebody has
// spoilt does it not stand at `position`; then it is looked for.
std::optional<LogRing::Record> LogRing::seek(std::uint64_t& position, std::uint64_t head) const {
    while (position < head) {
        if (auto record = read(position, head)) return record;
        // Meanwhile another process may have given up what stood here.
        position = std::max(position + 8, load(header().tail));
    }
    return std::nullopt;
}

// Learns of what was written since the last look, by this process or another.
void LogRing::follow() const {
    const std::uint64_t tail = load(header().tail);
    const std::uint64_t head = load(header().head);
    forget_until(tail);
    if (known_head_ == head) return;
    std::uint64_t position = known_head_;
    if (position < tail || position > head) {
        marks_.clear();
        known_records_ = 0;
        position = tail;
    }
    while (const auto record = seek(position, head)) {
        note(record->header.number, position);
        position += record->header.size;
    }
    known_head_ = head;
}

void LogRing::note(std::uint64_t number, std::uint64_t position) const {
    if (known_records_++ % records_per_mark == 0) marks_.push_back({number, position});
}

void LogRing::forget_until(std::uint64_t tail) const {
    while (!marks_.empty() && marks_.front().position < tail) marks_.pop_front();
}

// Makes room for `size` bytes at `position` by moving the tail past the oldest records.
void LogRing::give_up_until(std::uint64_t position, std::uint64_t size) {
    std::uint64_t tail = load(header().tail);
    while (position + size - tail > room().size()) {
        const auto oldest = seek(tail, position);
        tail = oldest ? tail + oldest->header.size : position;
    }
    store(header().tail, tail);
    forget_until(tail);
    // Before any of what follows is seen by another process.
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void LogRing::append(std::string_view instance, std::string_view text, Millis wall) {
    instance = cut_utf8(instance, limits::log_instance_bytes);
    text = cut_utf8(text, std::min(limits::captured_line_bytes, mapping_.bytes().size() / 8));
    RecordHeader record;
    record.number = load(header().last) + 1;
    record.wall = wall;
    record.instance_bytes = static_cast<std::uint32_t>(instance.size());
    record.text_bytes = static_cast<std::uint32_t>(text.size());
    record.size =
        static_cast<std::uint32_t>((sizeof(record) + instance.size() + text.size() + 7) / 8 * 8);
    std::vector<std::byte> whole(record.size);
    const auto put = [&whole](std::size_t at, const void* from, std::size_t size) {
        if (size > 0) std::memcpy(whole.data() + at, from, size);
    };
    put(0, &record, sizeof(record));
    put(sizeof(record), instance.data(), instance.size());
    put(sizeof(record) + instance.size(), text.data(), text.size());
    record.checksum = checksum_of(std::span(whole).subspan(checksum_end));
    put(0, &record, sizeof(record));

    const std::uint64_t head = load(header().head);
    give_up_until(head, record.size);
    copy_in(head, whole);
    // The number first: a writer killed between the two leaves a gap, never the same number twice.
    store(header().last, record.number);
    store(header().head, head + record.size);
    // What others wrote is learnt when somebody asks for it; a new master should not lose time on
    // it.
    if (known_head_ != head) return;
    note(record.number, head);
    known_head_ = head + record.size;
}

// Adds the lines in [from, to), until there are `most`.
void LogRing::collect(std::uint64_t from, std::uint64_t to, std::uint64_t after,
                      std::string_view filter, std::size_t most,
                      std::vector<model::LogLineView>& lines) const {
    while (lines.size() < most) {
        const auto record = seek(from, to);
        if (!record) break;
        from += record->header.size;
        if (record->header.number <= after || !matches(record->instance(), filter)) continue;
        lines.push_back({record->header.number, format_wall(record->header.wall),
                         std::string(record->instance()), std::string(record->text())});
    }
}

std::vector<model::LogLineView> LogRing::after(std::uint64_t number, std::string_view filter,
                                               std::size_t most) const {
    follow();
    const auto later = [](std::uint64_t wanted, const Mark& mark) { return wanted < mark.number; };
    const auto next = std::upper_bound(marks_.begin(), marks_.end(), number, later);
    std::uint64_t from = next == marks_.begin() ? load(header().tail) : std::prev(next)->position;
    std::vector<model::LogLineView> lines;
    for (auto mark = next; mark != marks_.end() && lines.size() < most; ++mark) {
        collect(from, mark->position, number, filter, most, lines);
        from = mark->position;
    }
    collect(from, known_head_, number, filter, most, lines);
    return lines;
}

std::vector<model::LogLineView> LogRing::last(std::string_view filter, std::size_t most) const {
    follow();
    // From mark to mark towards the oldest; what stands before the first mark begins at the tail.
    std::vector<std::vector<model::LogLineView>> parts;
    std::size_t count = 0;
    std::uint64_t to = known_head_;
    const auto look = [&](std::uint64_t from) {
        collect(from, to, 0, filter, SIZE_MAX, parts.emplace_back());
        count += parts.back().size();
        to = from;
    };
    for (auto mark = marks_.rbegin(); mark != marks_.rend() && count < most; ++mark)
        look(mark->position);
    const std::uint64_t tail = load(header().tail);
    if (count < most && tail < to) look(tail);

    std::vector<model::LogLineView> lines;
    std::size_t spare = count - std::min(count, most);  // of the oldest part
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        const auto first =
            part->begin() + static_cast<std::ptrdiff_t>(std::min(spare, part->size()));
        spare -= std::min(spare, part->size());
        lines.insert(lines.end(), std::make_move_iterator(first),
                     std::make_move_iterator(part->end()));
    }
    return lines;
}

std::uint64_t LogRing::last_number() const {
    return load(header().last);
}

}  // namespace baton::run
