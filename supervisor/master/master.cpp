#include "master/master.h"

#include <csignal>
#include <cstdlib>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/core.h>

#include "admin/server.h"
#include "engine/engine.h"
#include "engine/operator.h"
#include "master/options.h"
#include "sys/process.h"
#include "sys/user.h"

namespace baton::master {
namespace {

constexpr int channel_descriptor = 3;
constexpr int image_descriptor = 4;

class Master {
  public:
    Master()
        : log_("master"),
          engine_(context_, log_, sys::UniqueFd(channel_descriptor),
                  {[this](const auto& sockets) { serve(sockets); }, [this](int status) { end(status); }}),
          operator_(engine_) {}

    int run() {
        const auto read_arguments = [](const std::vector<std::string>& arguments) {
            const Options options = parse_options(arguments);
            return engine::Engine::Start{options.configuration, options.prefix};
        };
        if (!engine_.start(read_arguments)) return 1;
        context_.run();
        return status_;
    }

  private:
    void serve(const std::map<std::string, sys::UniqueFd*>& sockets) {
        if (ending_) return;
        if (!server_) {
            admin::Settings settings;
            settings.may_read = [this](uid_t uid) { return reader() == uid; };
            server_ = std::make_unique<admin::Server>(context_, operator_, log_, settings);
        }
        for (const char* name : {"admin", "trial"}) {
            const auto wanted = sockets.find(name);
            if (wanted == sockets.end()) {
                server_->stop_listening(name);
            } else if (!server_->listening(name)) {
                auto copy = sys::duplicate(*wanted->second);
                auto done = copy ? server_->listen(name, std::move(*copy)) : Result<void>(copy.error());
                if (!done) log_.error("admin socket {}: {}", name, done.error().message());
            }
        }
    }

    // The user of the services, looked up once for each name.
    std::optional<uid_t> reader() {
        const std::string& name = engine_.configuration().supervisor.user;
        if (reader_name_ == name) return reader_;
        reader_name_ = name;
        const auto user = name.empty() ? Result<sys::User>(failed("none")) : sys::find_user(name);
        reader_ = user ? std::optional<uid_t>(user->uid) : std::nullopt;
        return reader_;
    }

    void end(int status) {
        if (std::exchange(ending_, true)) return;
        status_ = status;
        if (!server_) return context_.stop();
        boost::asio::co_spawn(context_, server_->close(engine_.configuration().supervisor.upgrade.drain_timeout), [this](std::exception_ptr) { context_.stop(); });
    }

    boost::asio::io_context context_{1};
    Log log_;
    engine::Engine engine_;
    engine::Operator operator_;
    std::unique_ptr<admin::Server> server_;
    std::string reader_name_;
    std::optional<uid_t> reader_;
    bool ending_ = false;
    int status_ = 1;
};

}  // namespace

int run() {
    sys::set_name("batond");
    std::signal(SIGPIPE, SIG_IGN);
    sys::UniqueFd(image_descriptor).reset();  // only a script that stands for the binary needs it
    static_cast<void>(sys::keep_across_exec(channel_descriptor, false));
    ::unsetenv("BATON_ROLE");
    Master master;
    return master.run();
}

}  // namespace baton::master
