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
std::string render_view(const View& view, std::uint64_t last) {
    std::string text;
    if (last != 0 && view.number > last + 1) {
        text = fmt::format("event: gap\ndata: {{\"from\":{},\"to\":{}}}\n\n", last + 1, view.number - 1);
    }
    // JSON has no raw line ends, so one data line holds it.
    text += fmt::format("id: {}\ndata: {}\n\n", view.number, model::encode(view));
    return text;
}

asio::awaitable<void> until_departed(std::shared_ptr<Core> core, Connection* connection) {
    auto gone = connection->hung_up();
    auto closing = core->closing.changed(0);
    auto either = std::move(gone) || std::move(closing);
    co_await std::move(either);
}

}  // namespace

std::string render(const model::EventView& view, std::uint64_t last) {
    return render_view(view, last);
}

std::string render(const model::LogLineView& view, std::uint64_t last) {
    return render_view(view, last);
}

template <class View>
asio::awaitable<bool> send_stream(std::shared_ptr<Core> core, Connection* connection, Manner manner,
                                  std::unique_ptr<engine::Subscription<View>> subscription, bool follow,
                                  std::uint64_t last) {
    if (!co_await connection->begin(manner, "text/event-stream")) co_return false;
    const Millis patience = follow ? core->settings.keep_alive : 0;
    for (;;) {
        auto next = subscription->next(patience);
        auto departed = until_departed(core, connection);
        auto either = std::move(next) || std::move(departed);
        auto came = co_await std::move(either);
        if (came.index() == 1) break;
        std::optional<View> view = std::get<0>(std::move(came));
        if (!view && (!follow || subscription->closed())) break;
        std::string text = view ? std::string() : ":\n\n";
        while (view) {
            text += render(*view, last);
            last = view->number;
            if (text.size() >= limits::admin_stream_piece_bytes) break;
            view = co_await subscription->next(0);
        }
        if (!co_await connection->piece(std::move(text))) co_return false;
    }
    co_return co_await connection->end();
}

template asio::awaitable<bool> send_stream(std::shared_ptr<Core>, Connection*, Manner,
                                           std::unique_ptr<engine::Subscription<model::EventView>>, bool,
                                           std::uint64_t);
template asio::awaitable<bool> send_stream(std::shared_ptr<Core>, Connection*, Manner,
                                           std::unique_ptr<engine::Subscription<model::LogLineView>>, bool,
                                           std::uint64_t);

}  // namespace baton::admin
