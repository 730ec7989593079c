#include "gateway/admission.h"

namespace baton::gateway {

using Kind = http::Framing::Kind;

Admission admit(const Door& door, const http::RequestHead& head, const http::FramingResult& framing, const http::Options& options,
                const ClientAddress& client, bool secure) {
    Admission admission;
    const auto refuse = [&](int status) {
        admission.refused = status;
        return std::move(admission);
    };
    if (framing.refused != 0) return refuse(framing.refused);
    const std::uint64_t most = door.entrance.http.max_body;
    if (most > 0 && framing.framing.kind == Kind::length && framing.framing.length > most) return refuse(413);
    const http::Field* expect = http::find(head.fields, "expect");
    if (expect != nullptr && !http::same(expect->value, "100-continue")) return refuse(417);
    Door::Found found = door.find(head);
    if (!found.pool) return refuse(found.refused);
    admission.pool = std::move(found.pool);

    Request& request = admission.request;
    request.framing = framing.framing;
    request.is_head = head.method == "HEAD";
    request.is_idempotent = http::is_idempotent(head.method);
    // Another protocol begins after the request: with a body nobody could say where.
    http::Options passed = options;
    if (framing.framing.kind != Kind::none) passed.upgrade = {};
    request.upgrade = !passed.upgrade.empty();
    request.pick.client = client;
    if (!admission.pool->key().empty()) request.pick.key = key_of(admission.pool->key(), head, client);
    http::write_request(request.head, head, framing.framing, passed, door.origin(client, secure));
    return admission;
}

}  // namespace baton::gateway
