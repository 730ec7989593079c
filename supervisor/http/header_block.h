// A request's head as HTTP/2 brings it, field by field, made into the same head of HTTP/1.1: it is read by the
// same strict reader then, so that nothing can come in by the one version that the other refuses (RFC 9113,
// sections 8.2, 8.3 and 10.3).
//
// Pure. One is reused for many heads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "http/head.h"

namespace baton::http {

class HeaderBlock {
  public:
    // `most`: bytes of all names and values, with 32 for each field (RFC 9113, section 6.5.2).
    enum class Kind { head, trailer };
    void begin(std::size_t most, Kind kind = Kind::head);
    void add(std::string_view name, std::string_view value);
    // Something in it was not even a field.
    void spoil() { spoiled_ = true; }
    // As http::read; views of this object.
    int read(RequestHead& head);
    // A sound one as the lines of a chunked body's trailer.
    const std::string& trailer() const { return fields_; }
    bool sound() const { return !spoiled_ && !too_large_; }

  private:
    void add_pseudo(std::string_view name, std::string_view value);

    Kind kind_ = Kind::head;
    std::size_t left_ = 0;
    std::string method_;
    std::string authority_;
    std::string path_;
    std::string host_;
    std::string cookie_;
    std::string fields_;
    std::string text_;
    bool has_authority_ = false;
    bool has_host_ = false;
    bool too_large_ = false;
    bool spoiled_ = false;
};

}  // namespace baton::http
