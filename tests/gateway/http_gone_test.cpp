// Clients of HTTP that go away while they wait: who is noticed, and what becomes of the instance's connection.
#include "front.h"

#include <sys/socket.h>

#include <array>

namespace baton::gateway {
namespace {

constexpr const char* get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr const char* hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class Gone : public Front {
  protected:
    void open(bool abort_on_close) {
        rules_.abort_on_close = abort_on_close;
        entrance_.access_log = "/log";
        std::map<std::string, sys::UniqueFd> descriptors;
        descriptors["/log"] = std::move(log_pipe_.write_end);
        begin(std::move(descriptors));
    }
    // Until the instance has the whole request.
    std::unique_ptr<Wire> asked(Wire& client) {
        client.send(get);
        auto instance = accepted();
        EXPECT_TRUE(until([&] { instance->read(); return instance->got.ends_with("\r\n\r\n"); }));
        return instance;
    }
    static void end_sending(const Wire& client) { ::shutdown(client.socket.get(), SHUT_WR); }
    bool is_logged(const std::string& what) {
        return until([&] {
            std::array<char, 4096> block{};
            if (const auto got = sys::read_some(log_pipe_.read_end, block)) logged_.append(block.data(), *got);
            return logged_.find(what) != std::string::npos;
        });
    }

    sys::Pipe log_pipe_ = std::move(*sys::make_pipe());
    std::string logged_;
};

TEST_F(Gone, WhoSendsNoMoreMayReadStill) {
    open(false);
    Wire client = connect_to(front_.address);
    auto instance = asked(client);
    end_sending(client);
    turns(10);
    EXPECT_FALSE(instance->over());
    instance->send(hello);
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.got, hello);
    EXPECT_EQ(gateway_->totals().aborted, 0U);
    EXPECT_TRUE(is_logged("\" 200 ")) << logged_;
}

TEST_F(Gone, WhereThatIsAnEndItsRequestIsBrokenOff) {
    open(true);
    Wire first = connect_to(front_.address);
    auto instance = asked(first);
    instance->send(hello);
    ASSERT_TRUE(until([&] { first.read(); return first.got == hello; }));
    // By the connection that has served already.
    instance->got.clear();
    Wire client = connect_to(front_.address);
    client.send(get);
    ASSERT_TRUE(until([&] { instance->read(); return instance->got.ends_with("\r\n\r\n"); }));
    end_sending(client);
    EXPECT_TRUE(ends(*instance)) << "the instance goes on working for nobody";
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.got, "");
    EXPECT_EQ(gateway_->open_to(7), 0U);
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_TRUE(is_logged("\" 499 ")) << logged_;
    // Nobody gets what is left of that answer.
    first.got.clear();
    auto next = asked(first);
    next->send(hello);
    EXPECT_TRUE(until([&] { first.read(); return first.got == hello; }));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
}

TEST_F(Gone, ItsEndMayComeWithItsRequest) {
    open(true);
    Wire client = connect_to(front_.address);
    client.send(get);
    end_sending(client);
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(client.got, "");
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_EQ(gateway_->open_to(7), 0U);
}

TEST_F(Gone, ItsEndMayComeInTheMiddleOfItsResponse) {
    open(true);
    Wire client = connect_to(front_.address);
    auto instance = asked(client);
    instance->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    ASSERT_TRUE(until([&] { client.read(); return client.got.ends_with("he"); }));
    end_sending(client);
    EXPECT_TRUE(ends(*instance));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
}

TEST_F(Gone, WhoWaitsForAnInstanceIsNoticedToo) {
    instance_.socket.reset();
    open(true);
    Wire client = connect_to(front_.address);
    client.send(get);
    ASSERT_TRUE(until([&] { return gateway_->gateway->open_sessions() == 1; }));
    turns(10);
    end_sending(client);
    EXPECT_TRUE(until([&] { return gateway_->gateway->open_sessions() == 0; }));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_EQ(gateway_->totals().failed, 0U);
}

TEST_F(Gone, BetweenTwoRequestsItIsAnEndLikeAnyOther) {
    open(true);
    Wire client = connect_to(front_.address);
    auto instance = asked(client);
    instance->send(hello);
    ASSERT_TRUE(until([&] { client.read(); return client.got == hello; }));
    end_sending(client);
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(gateway_->totals().aborted, 0U);
}

// Nobody can read there any more, whatever the option says.
TEST_F(Gone, AConnectionThatIsNoMoreIsNoticedAlways) {
    open(false);
    Wire client = connect_to(front_.address);
    auto instance = asked(client);
    sys::break_on_close(client.socket);
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
    EXPECT_TRUE(is_logged("\" 499 ")) << logged_;
}

TEST_F(Gone, AUnixSocketThatIsNoMoreToo) {
    front_ = listen_unix("gone");
    open(false);
    Wire client = connect_to(front_.address);
    auto instance = asked(client);
    client.socket.reset();
    EXPECT_TRUE(ends(*instance));
    EXPECT_EQ(gateway_->totals().aborted, 1U);
}

}  // namespace
}  // namespace baton::gateway
