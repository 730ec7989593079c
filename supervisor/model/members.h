// What two described structs have in common is taken from the one to the other, so that a member that both have
// is named where it is declared, and nowhere else.
#pragma once

#include <string_view>

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

namespace baton::model {

// Every member of `to` that `from` has by the same name. Where the two mean different things by one name, this is
// not for them.
template <class To, class From>
void take_members(To& to, const From& from) {
    using boost::describe::describe_members;
    using boost::describe::mod_public;
    boost::mp11::mp_for_each<describe_members<To, mod_public>>([&](auto mine) {
        boost::mp11::mp_for_each<describe_members<From, mod_public>>([&](auto theirs) {
            constexpr std::string_view name = decltype(mine)::name;
            if constexpr (name == decltype(theirs)::name) to.*mine.pointer = from.*theirs.pointer;
        });
    });
}

}  // namespace baton::model
