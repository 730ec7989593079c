#include "engine/runner.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "keeper/message.h"
#include "plan/step.h"
#include "sys/channel.h"
#include "sys/listen.h"
#include "sys/user.h"

namespace baton::engine {
namespace {

namespace fs = std::filesystem;

// No descriptor can be opened while it lives; those that are open go on.
class NoDescriptors {
  public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = 3;
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

// A runner whose keeper is this test.
struct RunnerTest : testing::Test {
    RunnerTest() {
        std::string pattern = testing::TempDir() + "runner-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        fs::create_directories(folder + "/notify");
        EXPECT_TRUE(log.open(folder + "/log", LogFormat::text, LogLevel::info));
        auto channel = sys::make_channel();
        keeper = std::move(channel->first);
        link.emplace(context, std::move(channel->second));
        events.emplace(context, log);
        runner.emplace(context, *link, plugins, log, *events);
    }
    ~RunnerTest() override {
        runner->dissolve();  // its cgroups too
        runner->suspend();
        fs::remove_all(folder);
    }

    model::Configuration one_service() const {
        model::Configuration configuration;
        configuration.supervisor.runtime_dir = folder;
        model::ServiceSpec spec;
        spec.name = "job";
        spec.command = {"true"};
        spec.directory = "/";
        configuration.services.push_back(spec);
        return configuration;
    }
    void take_over(std::map<std::string, sys::UniqueFd> held, const model::Configuration* own) {
        ASSERT_TRUE(sys::send_message(keeper, keeper::pack(keeper::ChildrenPage{})));
        const auto taken = runner->take_over(held, own, 1);
        ASSERT_TRUE(taken) << taken.error().message();
    }
    // What the keeper was asked since the last call: "hold state/counters", "signal 1".
    std::vector<std::string> asked() {
        std::vector<std::string> list;
        while (auto received = sys::receive_message(keeper)) {
            const auto message = keeper::Message::open(received->bytes);
            if (message->type() == keeper::Hold::type) list.push_back("hold " + message->strings()->front());
            if (message->type() == keeper::Release::type) list.push_back("release " + message->strings()->front());
            if (const auto spawn = message->body<keeper::Spawn>()) list.push_back("spawn " + std::to_string(spawn->id));
            if (const auto signal = message->body<keeper::Signal>()) list.push_back("signal " + std::to_string(signal->id));
        }
        return list;
    }
    std::string logged() const {
        std::ostringstream text;
        text << std::ifstream(folder + "/log").rdbuf();
        return text.str();
    }
    bool comes(const std::string& wanted, std::vector<std::string>& all) {
        for (int i = 0; i < 100; ++i) {
            for (std::string& one : asked()) all.push_back(std::move(one));
            if (std::find(all.begin(), all.end(), wanted) != all.end()) return true;
            context.run_for(std::chrono::milliseconds(50));
        }
        return false;
    }

    std::string folder;
    boost::asio::io_context context;
    Log log{"test"};
    sys::UniqueFd keeper;
    std::optional<KeeperLink> link;
    std::optional<EventLog> events;
    Plugins plugins{""};
    std::optional<Runner> runner;
};

using List = std::vector<std::string>;

std::size_t position(const List& list, const std::string& wanted) {
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), wanted) - list.begin());
}

TEST_F(RunnerTest, NothingIsDoneBeforeItsStateIsStored) {
    const auto configuration = one_service();
    take_over({}, &configuration);
    List before;
    ASSERT_TRUE(comes("spawn 1", before));
    runner->child_started(1, 4711);
    context.run_for(std::chrono::milliseconds(100));
    asked();
    {
        const NoDescriptors none;
        runner->apply(model::StopAsked{true});
        runner->post(model::ChildExited{1, 0});
        context.run_for(std::chrono::milliseconds(500));
        EXPECT_EQ(asked(), List());
    }
    List after;
    ASSERT_TRUE(comes("signal 1", after));
    EXPECT_LT(position(after, "hold state/counters"), position(after, "signal 1"));
    EXPECT_LT(position(after, "hold state/service/job"), position(after, "signal 1"));
    // What came meanwhile has its own turn afterwards.
    context.run_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(plan::all_stopped(runner->state()));

    const std::string text = logged();
    const auto first = text.find("could not be stored");
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find("could not be stored", first + 1), std::string::npos) << text;
    EXPECT_NE(text.find("stored again"), std::string::npos) << text;
}

TEST_F(RunnerTest, AStateOfANewerVersionIsRefusedByItsNumber) {
    std::map<std::string, sys::UniqueFd> held;
    // Whatever else is in it, the version is what is told.
    held["state/counters"] = *sys::sealed_memory("test", R"({"version": 7, "closing": "changed", "next_child": -1})");
    const auto problems = runner->rehearse(held, {});
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(problems.front(), "the state is of version 7, written by a newer batond; this one knows versions up to 1");

    held["state/counters"] = *sys::sealed_memory("test", R"({"version": 7})");
    const auto taken = runner->take_over(held, nullptr, 1);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message().find("version 7"), std::string::npos);
    EXPECT_FALSE(runner->active());
}

TEST_F(RunnerTest, ANameThatIsUnknownIsToldWithThoseThatAreKnown) {
    std::map<std::string, sys::UniqueFd> held;
    held["state/counters"] = *sys::sealed_memory("test", "{}");
    held["state/service/web"] = *sys::sealed_memory("test", R"({"name": "web", "phase": "sideways"})");
    const auto problems = runner->rehearse(held, {});
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(problems.front(), "state/service/web: .phase: 'sideways' is unknown to this version of Baton, which knows settled, rolling, going_back");
}

model::ListenerSpec at(const std::string& path) {
    model::ListenerSpec listener;
    listener.name = "new";
    listener.service = "job";
    listener.protocol = model::Protocol::tcp;
    listener.address = {model::Family::unix_path, path, 0};
    return listener;
}

TEST_F(RunnerTest, ASpareThatIsAnInstancesAlreadyIsDropped) {
    auto socket = sys::open_listener(at(folder + "/s"), sys::Sharing::single, true);
    auto other = sys::open_listener(at(folder + "/o"), sys::Sharing::single, true);
    ASSERT_TRUE(socket && other);
    const auto held = [&] {
        std::map<std::string, sys::UniqueFd> all;
        all["socket/00003/tcp4:127.0.0.1:80"] = *sys::duplicate(*socket);
        all["spare/tcp4:127.0.0.1:80"] = *sys::duplicate(*socket);
        all["spare/tcp4:127.0.0.1:81"] = *sys::duplicate(*other);
        return all;
    };
    Sockets sockets(*link, log);
    auto all = held();
    sockets.adopt(all, Sockets::Adoption::trial);
    EXPECT_EQ(sockets.count("tcp4:127.0.0.1:80"), 1U);
    EXPECT_EQ(sockets.count("tcp4:127.0.0.1:81"), 1U);
    EXPECT_EQ(asked(), List()) << "on trial nothing is asked of the keeper";

    all = held();
    sockets.adopt(all, Sockets::Adoption::owner);
    EXPECT_EQ(sockets.count("tcp4:127.0.0.1:80"), 1U);
    EXPECT_EQ(asked(), List{"release spare/tcp4:127.0.0.1:80"});
}

TEST_F(RunnerTest, ATrialThatIsAbandonedLeavesNoSocketFile) {
    auto running = sys::open_listener(at(folder + "/running"), sys::Sharing::single, true);
    ASSERT_TRUE(running);
    std::map<std::string, sys::UniqueFd> held;
    held["state/counters"] = *sys::sealed_memory("test", "{}");
    held["shared/unix:" + folder + "/running"] = *sys::duplicate(*running);
    auto own = one_service();
    own.listeners = {at(folder + "/running"), at(folder + "/fresh")};
    EXPECT_EQ(runner->rehearse(held, own), List());
    EXPECT_TRUE(fs::exists(folder + "/fresh"));
    runner->end_rehearsal();
    EXPECT_TRUE(fs::exists(folder + "/fresh"));
    runner->abandon_rehearsal();
    EXPECT_FALSE(fs::exists(folder + "/fresh"));
    EXPECT_TRUE(fs::exists(folder + "/running"));
}

// Who is not the instance's user cannot fill its queue.
TEST_F(RunnerTest, TheNotifySocketIsItsUsersOwn) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to run programs as somebody else";
    auto configuration = one_service();
    configuration.services.front().user = "nobody";
    configuration.services.push_back(configuration.services.front());
    configuration.services.back().name = "roots";
    configuration.services.back().user.clear();
    take_over({}, &configuration);
    const auto owner_and_mode = [&](const std::string& id) {
        struct stat entry{};
        EXPECT_EQ(::stat((folder + "/notify/" + id).c_str(), &entry), 0);
        return std::pair(entry.st_uid, entry.st_mode & 0777U);
    };
    const std::string first = runner->state().services.at("job").instances.front().id == 1 ? "1" : "2";
    EXPECT_EQ(owner_and_mode(first), std::pair(sys::find_user("nobody")->uid, 0600U));
    // One that starts as root may be any user when it speaks.
    EXPECT_EQ(owner_and_mode(first == "1" ? "2" : "1").second, 0666U);
}

}  // namespace
}  // namespace baton::engine
