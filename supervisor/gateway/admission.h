// Whether a request is taken, and what of it goes to which pool: the same for every version of HTTP.
#pragma once

#include <memory>

#include "gateway/door.h"
#include "gateway/exchange.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/head.h"

namespace baton::gateway {

struct Admission {
    int refused = 0;  // the status to answer with; 404: the request itself is sound
    std::shared_ptr<Pool> pool;
    Request request;
};
Admission admit(const Door& door, const http::RequestHead& head, const http::FramingResult& framing, const http::Options& options,
                const ClientAddress& client, bool secure);

}  // namespace baton::gateway
