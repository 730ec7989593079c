// A server on a real unix socket, in a thread of its own, answered by a FakeConsole. What the console
// holds is touched on that thread only, through on_server().
#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "admin/server.h"
#include "fake_console.h"

namespace baton::test {

// A new listening unix socket at `path`.
sys::UniqueFd listen_at(const std::string& path, int backlog = 64);

class Running : public ::testing::Test {
  protected:
    Running();
    ~Running() override;

    // Starts the server; call it first.
    void start(admin::Settings settings = {});
    // close() with this grace, awaited.
    void close(Millis grace);
    const std::string& path() const { return path_; }

    template <class Function>
    auto on_server(Function function) {
        std::packaged_task<decltype(function())()> task(std::move(function));
        auto result = task.get_future();
        boost::asio::post(context_, std::move(task));
        return result.get();
    }
    // Looks until it is so; false after ten seconds.
    template <class Predicate>
    bool becomes(Predicate predicate) {
        for (int tries = 0; tries < 1000; ++tries) {
            if (on_server(predicate)) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

    boost::asio::io_context context_;
    Log log_{"test"};
    FakeConsole console_{context_};
    std::unique_ptr<admin::Server> server_;

  private:
    std::string folder_;
    std::string path_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::thread thread_;
    bool closed_ = false;
};

}  // namespace baton::test
