// Events and log lines as server-sent events.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client.h"
#include "model/codec.h"
#include "running.h"

namespace baton::test {
namespace {

class Streams : public Running {
  protected:
    // Opens a stream and reads its header.
    Client follow(const std::string& target, const std::string& headers = "") {
        Client client(path());
        client.send("GET " + target + " HTTP/1.1\r\nHost: b\r\n" + headers + "\r\n");
        const auto header = client.header();
        EXPECT_TRUE(header);
        if (header) {
            EXPECT_EQ(header->status, 200);
            EXPECT_EQ(header->headers.at("content-type"), "text/event-stream");
        }
        return client;
    }
    void publish(int count) {
        on_server([this, count] {
            for (int made = 0; made < count; ++made)
                console_.publish_event("instance.ready", "web/1", "ready");
        });
    }
    static std::size_t count(const std::string& text, const std::string& word) {
        std::size_t found = 0;
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
        return found;
    }
};

TEST_F(Streams, what_is_kept_comes_first_and_what_happens_follows) {
    start();
    publish(2);
    auto client = follow("/v1/events");
    const auto kept = client.chunk().value();
    EXPECT_EQ(kept.substr(0, kept.find('{')), "id: 1\ndata: ");
    EXPECT_EQ(count(kept, "\n\n"), 2U);
    publish(1);
    const auto news = client.chunk().value();
    EXPECT_TRUE(news.starts_with("id: 3\ndata: {")) << news;
    const auto event = model::decode<model::EventView>(news.substr(news.find('{')));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind, "instance.ready");
}

TEST_F(Streams, a_reader_goes_on_after_the_last_event_it_saw) {
    start();
    publish(5);
    EXPECT_TRUE(follow("/v1/events?after=3").chunk().value().starts_with("id: 4\n"));
    EXPECT_TRUE(follow("/v1/events", "Last-Event-ID: 4\r\n").chunk().value().starts_with("id: 5\n"));
    EXPECT_TRUE(follow("/v1/events?after=1", "Last-Event-ID: 4\r\n").chunk().value().starts_with("id: 5\n"));
    EXPECT_EQ(Client::get(path(), "/v1/events", "Last-Event-ID: soon\r\n").status, 400);
}

TEST_F(Streams, without_follow_it_ends_after_what_is_kept) {
    start();
    publish(3);
    EXPECT_EQ(count(Client::get(path(), "/v1/events?follow=false").body, "id: "), 3U);
    EXPECT_EQ(Client::get(path(), "/v1/events?follow=false&after=3").body, "");
}

TEST_F(Streams, events_that_are_no_longer_kept_are_a_gap) {
    start();
    publish(10);
    on_server([this] {
        console_.events.kept.erase(console_.events.kept.begin(), console_.events.kept.begin() + 6);
    });
    const auto body = Client::get(path(), "/v1/events?follow=false&after=2").body;
    EXPECT_TRUE(body.starts_with("event: gap\ndata: {\"from\":3,\"to\":6}\n\nid: 7\n")) << body;
    // Who never saw any event misses none.
    EXPECT_TRUE(Client::get(path(), "/v1/events?follow=false").body.starts_with("id: 7\n"));
}

TEST_F(Streams, a_reader_that_is_too_slow_is_told_of_its_gap) {
    start();
    publish(1);
    on_server([this] { console_.events.backlog = 4; });
    auto client = follow("/v1/events");
    ASSERT_TRUE(client.chunk().value().starts_with("id: 1\n"));
    publish(10);  // at once: the stream has no turn in between
    std::string text = client.chunk().value();
    while (text.find("id: 11\n") == std::string::npos) text += client.chunk().value();
    EXPECT_TRUE(text.starts_with("event: gap\ndata: {\"from\":2,\"to\":7}\n\nid: 8\n")) << text;
}

TEST_F(Streams, silence_is_told_too) {
    admin::Settings settings;
    settings.keep_alive = 20;
    start(settings);
    auto client = follow("/v1/events");
    EXPECT_EQ(client.chunk(), ":\n\n");
    EXPECT_EQ(client.chunk(), ":\n\n");
    publish(1);
    std::string text = client.chunk().value();
    while (text == ":\n\n") text = client.chunk().value();
    EXPECT_TRUE(text.starts_with("id: 1\n"));
}

TEST_F(Streams, a_reader_that_goes_is_forgotten_at_once) {
    start();
    {
        auto client = follow("/v1/events");
        ASSERT_TRUE(becomes([this] { return console_.events.following() == 1; }));
    }
    EXPECT_TRUE(becomes([this] { return console_.events.following() == 0; }));
}

TEST_F(Streams, a_closed_subscription_ends_the_stream_but_not_the_connection) {
    start();
    auto client = follow("/v1/events");
    ASSERT_TRUE(becomes([this] { return console_.events.following() == 1; }));
    on_server([this] { console_.events.close(); });
    EXPECT_FALSE(client.chunk());
    client.send("GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_EQ(client.response()->status, 200);
}

TEST_F(Streams, closing_the_server_ends_streams_properly) {
    start();
    auto client = follow("/v1/logs?follow=true");
    std::thread closing([this] { close(5'000); });
    EXPECT_FALSE(client.chunk());
    EXPECT_TRUE(client.ended());
    closing.join();
}

TEST_F(Streams, logs_of_all_of_a_service_and_of_an_instance) {
    start();
    on_server([this] {
        for (int line = 0; line < 4; ++line) {
            console_.publish_line("web/1", fmt::format("one {}", line));
            console_.publish_line("web/2", fmt::format("two {}", line));
        }
        console_.publish_line("db/1", "with \"quotes\"\nand a second line");
        console_.publish_line("web/7", "of an instance that is gone");
    });
    EXPECT_EQ(count(Client::get(path(), "/v1/logs").body, "id: "), 10U);
    EXPECT_EQ(count(Client::get(path(), "/v1/logs/web").body, "id: "), 9U);
    EXPECT_EQ(count(Client::get(path(), "/v1/logs/web/2").body, "two "), 4U);
    EXPECT_EQ(count(Client::get(path(), "/v1/logs/web/7").body, "id: "), 1U);
    EXPECT_EQ(Client::get(path(), "/v1/logs/web/8").status, 404);
    EXPECT_EQ(Client::get(path(), "/v1/logs/web/x").status, 404);
    EXPECT_EQ(Client::get(path(), "/v1/logs/mail").status, 404);
    const auto last = Client::get(path(), "/v1/logs?lines=2").body;
    EXPECT_EQ(count(last, "id: "), 2U);
    EXPECT_EQ(count(last, "\n\n"), 2U) << "a line end within a text must not end the event";
    EXPECT_EQ(Client::get(path(), "/v1/logs?lines=0").body, "");
}

TEST_F(Streams, logs_are_followed) {
    start();
    on_server([this] { console_.publish_line("web/1", "before"); });
    auto client = follow("/v1/logs/web?lines=1&follow=true");
    EXPECT_NE(client.chunk().value().find("before"), std::string::npos);
    on_server([this] { console_.publish_line("db/1", "not this one"); });
    on_server([this] { console_.publish_line("web/2", "after"); });
    const auto text = client.chunk().value();
    EXPECT_NE(text.find("after"), std::string::npos);
    EXPECT_EQ(text.find("not this"), std::string::npos);
    EXPECT_EQ(text.find("gap"), std::string::npos) << "what others wrote is no gap";
    on_server([this] { console_.lines.backlog = 2; });
    auto all = follow("/v1/logs?lines=1&follow=true");
    ASSERT_TRUE(all.chunk());
    on_server([this] {
        for (int line = 0; line < 5; ++line) console_.publish_line("web/1", "more");
    });
    EXPECT_TRUE(all.chunk().value().starts_with("event: gap\ndata: {\"from\":4,\"to\":6}\n"));
}

TEST_F(Streams, head_of_a_stream_is_its_header) {
    start();
    Client client(path());
    client.send("HEAD /v1/events HTTP/1.1\r\nHost: b\r\n\r\nGET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_EQ(client.response(true)->headers.at("content-type"), "text/event-stream");
    EXPECT_EQ(client.response()->body, R"({"status":"ok"})");
}

TEST_F(Streams, an_old_client_gets_bytes_instead_of_chunks) {
    start();
    publish(1);
    Client client(path());
    client.send("GET /v1/events?follow=false HTTP/1.0\r\n\r\n");
    const auto header = client.header();
    ASSERT_TRUE(header);
    EXPECT_FALSE(header->headers.contains("transfer-encoding"));
    EXPECT_FALSE(client.ended());  // what is left are the bytes
}

}  // namespace
}  // namespace baton::test
