#include "running.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace baton::test {

namespace asio = boost::asio;

sys::UniqueFd listen_at(const std::string& path, int backlog) {
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::bind(fd.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) !=
            0 ||
        ::listen(fd.get(), backlog) != 0) {
        return {};
    }
    return fd;
}

Running::Running() : work_(context_.get_executor()) {
    std::string name = "/tmp/baton-admin-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);
    path_ = folder_ + "/admin.sock";
}

Running::~Running() {
    if (thread_.joinable()) {
        if (!closed_) close(0);
        work_.reset();
        thread_.join();
    }
    server_.reset();
    std::filesystem::remove_all(folder_);
}

void Running::start(admin::Settings settings) {
    furnish(console_);
    server_ = std::make_unique<admin::Server>(context_, console_, log_, std::move(settings));
    auto socket = listen_at(path_);
    ASSERT_TRUE(socket.valid());
    ::chmod(path_.c_str(), 0666);
    const auto listening = server_->listen("admin", std::move(socket));
    ASSERT_TRUE(listening) << listening.error().message();
    thread_ = std::thread([this] { context_.run(); });
}

void Running::close(Millis grace) {
    asio::co_spawn(context_, server_->close(grace), asio::use_future).get();
    closed_ = true;
}

}  // namespace baton::test
