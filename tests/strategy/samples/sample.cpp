// Plugins that are used by the tests only: most do something a plugin must not. Which one it is, SAMPLE says.
#include <csignal>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "baton/roster.hpp"

#define SAMPLE_good 1
#define SAMPLE_good_newer 2
#define SAMPLE_crash 3
#define SAMPLE_crash_in_constructor 4
#define SAMPLE_loop 5
#define SAMPLE_nonsense 6
#define SAMPLE_picks_unusable 7
#define SAMPLE_exits 8
#define SAMPLE_pinned 9
#define SAMPLE_unique 10
#define SAMPLE_throws 11
#define SAMPLE_choosy 12
#define SAMPLE_greedy 13
#define SAMPLE_crash_later 14
// What no check finds: it depends on who is picked.
#define SAMPLE_crash_live 15
#define SAMPLE_loop_live 16
#define SAMPLE_nonsense_live 17
#define SAMPLE_ID_(name) SAMPLE_##name
#define SAMPLE_ID(name) SAMPLE_ID_(name)
#define IS(name) (SAMPLE_ID(SAMPLE) == SAMPLE_##name)

using baton::sdk::none;

#if SAMPLE_ID(SAMPLE) == SAMPLE_unique
// The variable of an inline function: with g++'s defaults one for the whole process.
inline int& shared() {
    static int value = 1;
    return value;
}
template <class T>
struct Counted {
    static inline int count = 0;
};
#endif

namespace {

#if SAMPLE_ID(SAMPLE) == SAMPLE_pinned
struct Ends {
    int picks = 0;
    ~Ends() { picks = 0; }
};
thread_local Ends ends;
#endif

#if SAMPLE_ID(SAMPLE) == SAMPLE_crash_in_constructor
const int crashed = [] {
    std::abort();
    return 1;
}();
#endif

volatile bool forever = true;
// A signal that is only raised would wait: workers block them. This one comes from the processor.
volatile int* volatile nowhere = nullptr;

struct Sample {
    static constexpr const char* name = "sample";
    static constexpr const char* description = "takes the first";
    static constexpr std::array options{
        baton::sdk::flag("flag", "true", "a flag"),
        baton::sdk::integer("integer", "3", 1, 10, "a whole number"),
        baton::sdk::number("number", "1.5", 1, 2, "a number"),
        baton::sdk::duration("duration", "10s", 1'000, 60'000'000, "a time"),
        baton::sdk::text("text", "words", "a text"),
        baton::sdk::choice("choice", "one", "one|two", "one of two"),
    };
    explicit Sample(const baton::sdk::Settings& settings) {
        if (settings.text("choice") == "two" && settings.integer("integer") == 9) throw std::runtime_error("two does not go with 9");
        if (settings.integer("integer") == 8) baton::sdk::log(settings.host(), BATON_LOG_WARNING, "8 is a lot");
    }
    class State {
      public:
        State(const Sample&, const baton::sdk::Pool& pool, const State*) : roster_(pool), size_(pool.size()) {
            live_ = size_ > 0 && std::string_view(pool[0].name, pool[0].name_size).substr(0, 4) == "web/";
            if (IS(choosy) && pool.size() > 5) throw std::runtime_error("five are enough");
            if (IS(greedy)) {
                for (int i = 0; i < 1'000; ++i) baton_text_sink = new char[64UL * 1024 * 1024];  // untouched, it counts
            }
        }
        std::uint32_t pick(const baton_request& request) {
            roster_.refresh();
            if (IS(crash) && size_ == 10) std::raise(SIGSEGV);
            if (IS(crash_later) && ++picks_ == 1'000'000) std::raise(SIGSEGV);
            if (live_ && ++picks_ > 200) {
                if (IS(crash_live)) *nowhere = 1;
                while (IS(loop_live) && forever) {
                }
                if (IS(nonsense_live)) return size_ + 7;
            }
            while (IS(loop) && size_ == 2 && forever) {
            }
            if (IS(exits) && size_ == 10) std::_Exit(0);
            if (IS(nonsense)) return size_ + 7;
            if (IS(picks_unusable)) return size_ == 0 ? none : 0;
            if (IS(throws)) throw std::runtime_error("no");
            return first(request);
        }
        void result(const baton_outcome&) {}

      private:
        std::uint32_t first(const baton_request& request) const {
            const bool backups = roster_.backups_for(request);
            std::uint32_t found = none;
            for (std::uint32_t i = 0; i < size_; ++i) {
                if (roster_.weight_for(request, backups, i) == 0) continue;
                found = i;
                if (!IS(good_newer)) break;  // the newer one takes the last
            }
#if SAMPLE_ID(SAMPLE) == SAMPLE_pinned
            ++ends.picks;
#endif
#if SAMPLE_ID(SAMPLE) == SAMPLE_unique
            Counted<int>::count += shared();
#endif
            return found;
        }
        static inline char* volatile baton_text_sink = nullptr;
        baton::sdk::Roster roster_;
        std::uint32_t size_;
        bool live_ = false;
        std::uint32_t picks_ = 0;
    };
};

}  // namespace

BATON_STRATEGIES("sample", IS(good_newer) ? "2.0" : "1.0", "a plugin of the tests", Sample)
