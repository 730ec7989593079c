#include "run/log_ring.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>

namespace baton::run {
namespace {

constexpr std::size_t small = 8 * 1024;
constexpr std::size_t header_bytes = 64;
constexpr std::size_t tail_at = 24;
constexpr std::size_t head_at = 32;
constexpr std::size_t last_at = 40;

std::vector<std::string> texts(const std::vector<model::LogLineView>& lines) {
    std::vector<std::string> list;
    for (const auto& line : lines) list.push_back(line.text);
    return list;
}

std::string image_of(const LogRing& ring) {
    return *sys::read_all(ring.descriptor(), 64 * 1024 * 1024);
}

sys::UniqueFd file_of(std::string_view image) {
    auto file = *sys::memory("test", image.size());
    EXPECT_EQ(::pwrite(file.get(), image.data(), image.size(), 0),
              static_cast<ssize_t>(image.size()));
    EXPECT_TRUE(sys::seal_size(file));
    return file;
}

std::uint64_t word_at(const std::string& image, std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, image.data() + at, sizeof(word));
    return word;
}

// What any image of a ring must do: be refused, or open and read as lines with growing numbers.
void expect_readable(const std::string& image, std::size_t least) {
    const auto ring = LogRing::open(file_of(image));
    if (!ring) return;
    std::uint64_t before = 0;
    const auto lines = ring->after(0, "", SIZE_MAX);
    EXPECT_GE(lines.size(), least);
    for (const auto& line : lines) {
        EXPECT_GT(line.number, before);
        before = line.number;
    }
    static_cast<void>(ring->last("web", 3));
}

TEST(LogRing, KeepsLinesInOrder) {
    auto ring = *LogRing::create(small);
    EXPECT_EQ(ring.last_number(), 0U);
    EXPECT_TRUE(ring.last("", 10).empty());
    ring.append("web/1", "one", 1'700'000'000'123);
    ring.append("web/2", "two", 1'700'000'000'124);
    ring.append("api/1", "", 1'700'000'000'125);
    const auto lines = ring.after(0, "", 10);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].number, 1U);
    EXPECT_EQ(lines[0].time, "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(lines[0].instance, "web/1");
    EXPECT_EQ(lines[0].text, "one");
    EXPECT_EQ(lines[2].text, "");
    EXPECT_EQ(texts(ring.after(1, "", 1)), std::vector<std::string>{"two"});
    EXPECT_TRUE(ring.after(3, "", 10).empty());
    EXPECT_EQ(ring.last_number(), 3U);
}

TEST(LogRing, FiltersByServiceOrInstance) {
    auto ring = *LogRing::create(small);
    for (const char* const instance : {"web/1", "web/11", "web2/1", "web", "we/1"})
        ring.append(instance, instance, 0);
    EXPECT_EQ(texts(ring.last("web", 10)), (std::vector<std::string>{"web/1", "web/11", "web"}));
    EXPECT_EQ(texts(ring.last("web/1", 10)), std::vector<std::string>{"web/1"});
    EXPECT_EQ(texts(ring.after(0, "web2", 10)), std::vector<std::string>{"web2/1"});
    EXPECT_TRUE(ring.last("w", 10).empty());
}

TEST(LogRing, TheOldestMakeRoomAndEveryQueryAgrees) {
    auto ring = *LogRing::create(64 * 1024);
    std::mt19937 random(7);
    std::vector<std::string> all;
    for (int i = 0; i < 5'000; ++i) {
        all.push_back(std::to_string(i) + std::string(random() % 200, 'x'));
        ring.append(i % 10 == 0 ? "rare/1" : "web/1", all.back(), 0);
        if (i % 97 != 0) continue;
        const auto kept = texts(ring.after(0, "", SIZE_MAX));
        ASSERT_FALSE(kept.empty());
        ASSERT_EQ(kept, std::vector<std::string>(
                            all.end() - static_cast<std::ptrdiff_t>(kept.size()), all.end()));
        EXPECT_EQ(texts(ring.last("", SIZE_MAX)), kept);
        const std::size_t some = random() % kept.size();
        EXPECT_EQ(
            texts(ring.last("", some)),
            std::vector<std::string>(kept.end() - static_cast<std::ptrdiff_t>(some), kept.end()));
        EXPECT_EQ(texts(ring.after(ring.last_number() - some, "", SIZE_MAX)),
                  texts(ring.last("", some)));
        const auto rare = ring.after(0, "rare", SIZE_MAX);
        EXPECT_EQ(texts(ring.last("rare", SIZE_MAX)), texts(rare));
        if (rare.size() > 3) {
            EXPECT_EQ(ring.last("rare/1", 3).front().number, rare[rare.size() - 3].number);
        }
    }
    EXPECT_GT(ring.after(0, "", SIZE_MAX).size(), 300U);
    EXPECT_LT(ring.after(0, "", SIZE_MAX).size(), 5'000U);
}

TEST(LogRing, TooLongIsCut) {
    auto ring = *LogRing::create(small);
    ring.append(std::string(500, 'n'), std::string(100'000, 't'), 0);
    const auto lines = ring.last("", 1);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].instance.size(), limits::log_instance_bytes);
    EXPECT_EQ(lines[0].text.size(), small / 8);
}

TEST(LogRing, AnotherProcessReadsOnAndWritesOn) {
    auto first = *LogRing::create(small);
    first.append("web/1", "from the first", 0);
    auto second = *LogRing::open(first.descriptor());
    EXPECT_EQ(texts(second.last("", 5)), std::vector<std::string>{"from the first"});
    for (int i = 0; i < 300; ++i) first.append("web/1", "more " + std::to_string(i), 0);
    EXPECT_EQ(texts(second.last("", SIZE_MAX)), texts(first.last("", SIZE_MAX)));
    for (int i = 0; i < 10; ++i) second.append("web/1", "from the second", 0);
    first.append("web/1", "and back", 0);
    EXPECT_EQ(texts(second.last("", SIZE_MAX)), texts(first.last("", SIZE_MAX)));
    EXPECT_EQ(first.last_number(), 312U);
    EXPECT_EQ(second.last("", 1).front().number, 312U);
}

// Every state that a writer killed within an append can leave: the tail moved, any part of the
// record written (in any order), the number stored, the head stored.
TEST(LogRing, AWriterKilledAnywhereLeavesAWholeRing) {
    auto ring = *LogRing::create(4 * 1024);
    for (int i = 0; i < 200; ++i) {
        const std::string before = image_of(ring);
        const auto old_lines = texts(ring.after(0, "", SIZE_MAX));
        ring.append(
            "web/1",
            "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i * 7 % 90), '.'),
            i);
        const std::string after = image_of(ring);
        if (i < 150) continue;  // by now it goes round

        std::string image = before;
        const auto keep = [&](std::size_t at, std::size_t size) {
            image.replace(at, size, after, at, size);
        };
        const auto check = [&](const char* step) {
            const auto left = LogRing::open(file_of(image));
            ASSERT_TRUE(left) << step;
            const auto lines = texts(left->after(0, "", SIZE_MAX));
            ASSERT_LE(lines.size(), old_lines.size()) << step;
            ASSERT_GE(lines.size() + 3, old_lines.size()) << step;
            EXPECT_TRUE(std::equal(lines.rbegin(), lines.rend(), old_lines.rbegin())) << step;
            auto writer = *LogRing::open(file_of(image));
            writer.append("web/2", "goes on", 0);
            EXPECT_EQ(writer.last("", 1).front().text, "goes on") << step;
        };
        keep(tail_at, 8);
        check("tail");
        const std::string with_tail = image;
        std::vector<std::size_t> changed;
        for (std::size_t at = header_bytes; at < image.size(); ++at) {
            if (before[at] != after[at]) changed.push_back(at);
        }
        ASSERT_FALSE(changed.empty());
        for (const std::size_t at : changed) {
            keep(at, 1);
            check("forward");
        }
        image = with_tail;
        for (auto at = changed.rbegin(); at != changed.rend(); ++at) {
            keep(*at, 1);
            check("backward");
        }
        keep(last_at, 8);
        check("number");
        keep(head_at, 8);
        EXPECT_EQ(image, after);
        EXPECT_EQ(texts(LogRing::open(file_of(image))->last("", 1)), texts(ring.last("", 1)));
    }
}

TEST(LogRing, WritersKilledForRealLeaveAWholeRing) {
    auto ring = *LogRing::create(small);
    std::mt19937 random(3);
    std::uint64_t last = 0;
    for (int round = 0; round < 60; ++round) {
        const pid_t writer = ::fork();
        ASSERT_GE(writer, 0);
        if (writer == 0) {
            auto own = *LogRing::open(ring.descriptor());
            for (std::uint64_t i = 0;; ++i)
                own.append("web/1", std::string(i % 700, static_cast<char>('a' + i % 26)), 1);
        }
        while (ring.last_number() == last) {
        }
        ::usleep(random() % 2'000);
        ::kill(writer, SIGKILL);
        ASSERT_EQ(::waitpid(writer, nullptr, 0), writer);
        const auto opened = LogRing::open(ring.descriptor());
        ASSERT_TRUE(opened);
        const auto lines = opened->after(0, "", SIZE_MAX);
        EXPECT_GT(lines.size(), 5U);
        for (const auto& line : lines) {
            EXPECT_EQ(line.text,
                      std::string(line.text.size(), line.text.empty() ? ' ' : line.text.front()));
        }
        EXPECT_EQ(texts(lines), texts(ring.last("", SIZE_MAX)));
        EXPECT_GT(ring.last_number(), last);
        last = ring.last_number();
    }
}

TEST(LogRing, SpoiltBytesHideLinesAndNothingElse) {
    auto ring = *LogRing::create(4 * 1024);
    for (int i = 0; i < 100; ++i) ring.append("web/1", "line " + std::to_string(i), i);
    const std::string sound = image_of(ring);
    const std::size_t whole = ring.after(0, "", SIZE_MAX).size();
    for (std::size_t at = 0; at < sound.size(); ++at) {
        for (const char flip : {'\x01', '\x80', '\xFF'}) {
            std::string image = sound;
            image[at] = static_cast<char>(image[at] ^ flip);
            expect_readable(image, at < header_bytes ? 0 : whole - 1);
        }
    }
    std::mt19937 random(11);
    for (int i = 0; i < 2'000; ++i) {
        std::string image = sound;
        for (int hits = 0; hits < 20; ++hits)
            image[header_bytes + random() % (image.size() - header_bytes)] =
                static_cast<char>(random());
        expect_readable(image, whole - 20);
        auto writer = *LogRing::open(file_of(image));
        for (int more = 0; more < 5; ++more) writer.append("web/2", "goes on", 0);
        EXPECT_EQ(texts(writer.last("web/2", 9)), std::vector<std::string>(5, "goes on"));
    }
}

TEST(LogRing, ForeignFilesAreRefused) {
    auto ring = *LogRing::create(4 * 1024);
    ring.append("web/1", "x", 0);
    const std::string sound = image_of(ring);
    EXPECT_EQ(word_at(sound, head_at), 40U);
    const auto refused = [](const std::string& image) { return !LogRing::open(file_of(image)); };
    EXPECT_FALSE(refused(sound));
    for (const std::size_t at : {0U, 8U, 16U}) {
        std::string image = sound;
        image[at] = static_cast<char>(image[at] + 1);
        EXPECT_TRUE(refused(image)) << "byte " << at;
    }
    for (std::size_t size = 1; size < sound.size(); size += 7)
        EXPECT_TRUE(refused(sound.substr(0, size))) << size;
    EXPECT_TRUE(refused(sound + std::string(8, '\0')));
    EXPECT_TRUE(refused(std::string(4'096, '\0')));
    EXPECT_FALSE(LogRing::open(sys::UniqueFd()));
    const auto pipe = *sys::make_pipe();
    EXPECT_FALSE(LogRing::open(pipe.read_end));
    EXPECT_FALSE(LogRing::open(*sys::memory("unsealed", 4'096)))
        << "its size could change under the mapping";
}

}  // namespace
}  // namespace baton::run
