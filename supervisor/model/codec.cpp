#include "model/codec.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <fmt/core.h>

#include "model/configuration.h"
#include "model/plugin.h"
#include "model/route_table.h"
#include "model/state.h"
#include "model/upgrade.h"
#include "model/views.h"

namespace baton::model {
namespace {

namespace json = boost::json;
namespace describe = boost::describe;

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// Reading ends at the first member of the wrong type; `path` tells where.
class Reader {
  public:
    template <class T>
    bool read(const json::value& from, T& to, const std::string& path) {
        if constexpr (std::is_same_v<T, bool>) {
            if (!from.is_bool()) return wrong(path, "true or false");
            to = from.get_bool();
        } else if constexpr (std::is_arithmetic_v<T>) {
            boost::system::error_code ec;
            to = from.to_number<T>(ec);
            if (ec) return wrong(path, "a number in range");
            if constexpr (std::is_floating_point_v<T>) {
                // Boost.JSON may read a neighbour of the number that was written: of 15 digits they have the same.
                to = std::strtod(fmt::format("{:.15g}", to).c_str(), nullptr);
                if (!std::isfinite(to)) return wrong(path, "a number in range");
            }
        } else if constexpr (std::is_same_v<T, std::string>) {
            if (!from.is_string()) return wrong(path, "a string");
            to = std::string(from.get_string());
        } else if constexpr (std::is_enum_v<T>) {
            if (!from.is_string()) return wrong(path, "a name");
            if (!describe::enum_from_string(std::string(from.get_string()).c_str(), to)) return unknown(path, from.get_string(), names_of<T>());
        } else if constexpr (IsOptional<T>::value) {
            to.reset();
            if (!from.is_null() && !read(from, to.emplace(), path)) return false;
        } else if constexpr (IsVector<T>::value) {
            return read_vector(from, to, path);
        } else if constexpr (IsMap<T>::value) {
            if (!from.is_object()) return wrong(path, "an object");
            to.clear();
            for (const auto& [key, value] : from.get_object()) {
                if (!read(value, to[std::string(key)], path + "." + std::string(key))) return false;
            }
        } else {
            return read_struct(from, to, path);
        }
        return true;
    }

    const std::string& problem() const { return problem_; }

  private:
    template <class T>
    bool read_vector(const json::value& from, std::vector<T>& to, const std::string& path) {
        if (!from.is_array()) return wrong(path, "an array");
        to.clear();
        to.reserve(from.get_array().size());
        for (const json::value& element : from.get_array()) {
            const std::string place = fmt::format("{}[{}]", path, to.size());
            if (!read(element, to.emplace_back(), place)) return false;
        }
        return true;
    }

    template <class T>
    bool read_struct(const json::value& from, T& to, const std::string& path) {
        if (!from.is_object()) return wrong(path, "an object");
        const json::object& object = from.get_object();
        bool good = true;
        boost::mp11::mp_for_each<describe::describe_members<T, describe::mod_public>>([&](auto member) {
            if (!good) return;
            if (const json::value* value = object.if_contains(member.name)) {
                good = read(*value, to.*member.pointer, path + "." + member.name);
            }
        });
        return good;
    }

    template <class Enum>
    static std::string names_of() {
        std::string names;
        boost::mp11::mp_for_each<describe::describe_enumerators<Enum>>([&](auto one) { names += (names.empty() ? "" : ", ") + std::string(one.name); });
        return names;
    }

    bool unknown(const std::string& path, std::string_view name, const std::string& known) {
        problem_ = fmt::format("{}: '{}' is unknown to this version of Baton, which knows {}", path.empty() ? "document" : path, name, known);
        return false;
    }

    bool wrong(const std::string& path, std::string_view wanted) {
        problem_ = fmt::format("{}: {} was expected", path.empty() ? "document" : path, wanted);
        return false;
    }

    std::string problem_;
};

}  // namespace

template <class T>
std::string encode(const T& value) {
    // What is stored with every change is a few KiB: the document is built without asking for memory each time.
    std::array<unsigned char, 16 * 1024> room;
    json::monotonic_resource arena(room.data(), room.size());
    return json::serialize(json::value_from(value, &arena));
}

template <class T>
Result<T> decode(std::string_view text) {
    boost::system::error_code ec;
    const json::value document = json::parse(text, ec);
    if (ec) return failed("not JSON: " + ec.message());
    T value{};
    Reader reader;
    if (!reader.read(document, value, "")) return failed(reader.problem());
    return value;
}

#define BATON_CODEC(type)                      \
    template std::string encode(const type&);  \
    template Result<type> decode(std::string_view)

BATON_CODEC(StateVersion);
BATON_CODEC(Counters);
BATON_CODEC(Gateway);
BATON_CODEC(RouteTable);
BATON_CODEC(Order);
BATON_CODEC(Confirmation);
BATON_CODEC(Program);
BATON_CODEC(PluginReport);
BATON_CODEC(Service);
BATON_CODEC(Upgrade);
BATON_CODEC(Configuration);
BATON_CODEC(ServiceSpec);
BATON_CODEC(StatusView);
BATON_CODEC(ServiceView);
BATON_CODEC(InstanceView);
BATON_CODEC(GenerationView);
BATON_CODEC(NodeView);
BATON_CODEC(WorkerView);
BATON_CODEC(EventView);
BATON_CODEC(LogLineView);
BATON_CODEC(ProgressView);
BATON_CODEC(ProblemView);
BATON_CODEC(std::vector<ServiceView>);
BATON_CODEC(std::vector<InstanceView>);
BATON_CODEC(std::vector<ListenerView>);
BATON_CODEC(std::vector<GenerationView>);
BATON_CODEC(std::vector<RevisionView>);
BATON_CODEC(std::vector<PluginReport>);
BATON_CODEC(PluginView);
BATON_CODEC(std::vector<PluginView>);
BATON_CODEC(std::vector<NodeView>);
BATON_CODEC(std::vector<WorkerView>);

#undef BATON_CODEC

}  // namespace baton::model
