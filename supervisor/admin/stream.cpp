#include "admin/stream.h"

#include <optional>
#include <variant>

#include <fmt/core.h>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/limits.h"
#include "model/codec.h"

namespace baton::admin {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;

namespace {

template <class View>
std::string render_view(const View& view, std::optional<std::uint64_t> last) {
    std::string text;
    if (last && view.number > *last + 1) {
        text = fmt::format("event: gap\ndata: {{\"from\":{},\"to\":{}}}\n\n", *last + 1, view.number - 1);
    }
    // JSON has no raw line ends, so one data line holds it.
    text += fmt::format("id: {}\ndata: {}\n\n", view.number, model::encode(view));
    return text;
}

asio::awaitable<void> until_departed(std::shared_ptr<Door> door, Connection* connection) {
    auto gone = connection->hung_up();
    auto shut = door->shut_down();
    auto either = std::move(gone) || std::move(shut);
    co_await std::move(either);
}

}  // namespace

std::string render(const model::EventView& view, std::optional<std::uint64_t> last) {
    return render_view(view, last);
}

std::string render(const model::LogLineView& view, std::optional<std::uint64_t> last) {
    return render_view(view, last);
}

namespace {

// The next view; nothing in time; or, as `departed`, that it is of no use to wait on.
template <class View>
struct News {
    std::optional<View> view;
    bool departed = false;
};

template <class View>
asio::awaitable<News<View>> await_news(engine::Subscription<View>* subscription, std::shared_ptr<Door> door,
                                       Connection* connection, Millis patience) {
    News<View> news;
    auto next = subscription->next(patience);
    auto departed = until_departed(std::move(door), connection);
    auto either = std::move(next) || std::move(departed);
    auto came = co_await std::move(either);
    news.departed = came.index() == 1;
    if (!news.departed) news.view = std::get<0>(std::move(came));
    co_return news;
}

}  // namespace

template <class View>
asio::awaitable<bool> send_stream(std::shared_ptr<Core> core, std::shared_ptr<Door> door,
                                  Connection* connection, Manner manner,
                                  std::unique_ptr<engine::Subscription<View>> subscription,
                                  Following following) {
    if (!co_await connection->begin(manner, "text/event-stream")) co_return false;
    std::uint64_t left = following.most;
    while (left > 0) {
        std::optional<View> view = co_await subscription->next(0);
        if (!view && !following.follow) break;
        if (!view) {
            auto news = co_await await_news(subscription.get(), door, connection, core->settings.keep_alive);
            if (news.departed || (!news.view && subscription->closed())) break;
            view = std::move(news.view);
        }
        std::string text = view ? std::string() : ":\n\n";
        while (view) {
            text += render(*view, following.last);
            if (following.consecutive) following.last = view->number;
            if (--left == 0 || text.size() >= limits::admin_stream_piece_bytes) break;
            view = co_await subscription->next(0);
        }
        if (!co_await connection->piece(std::move(text))) co_return false;
    }
    co_return co_await connection->end();
}

template asio::awaitable<bool> send_stream(std::shared_ptr<Core>, std::shared_ptr<Door>, Connection*, Manner,
                                           std::unique_ptr<engine::Subscription<model::EventView>>,
                                           Following);
template asio::awaitable<bool> send_stream(std::shared_ptr<Core>, std::shared_ptr<Door>, Connection*, Manner,
                                           std::unique_ptr<engine::Subscription<model::LogLineView>>,
                                           Following);

}  // namespace baton::admin
