"""A configuration as a nested dictionary, written as TOML."""
import copy
import json


class Configuration:
    """config["service"]["web"]["version"] = "2", and `text()` is the file."""

    def __init__(self, tables=None):
        self.tables = tables or {}

    def __getitem__(self, name):
        return self.tables.setdefault(name, {})

    def copy(self):
        return Configuration(copy.deepcopy(self.tables))

    def listener(self, name, address, service, protocol="http", **more):
        self["listener"][name] = {"address": address, "protocol": protocol, "service": service, **more}
        return address

    def service(self, name, command, version="1", replicas=1, **more):
        """`more`: any other key, or a table such as readiness={...}."""
        self["service"][name] = {"version": version, "command": command, "replicas": replicas, "delivery": "inherit",
                                 **more}
        return self["service"][name]

    def text(self):
        lines = []
        _write(lines, [], self.tables)
        return "\n".join(lines) + "\n"


def _write(lines, path, table):
    values = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if path and (values or not table):
        lines.append("")
        lines.append("[" + ".".join(_key(part) for part in path) + "]")
    for key, value in values.items():
        lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            _write(lines, path + [key], value)


def _key(key):
    return key if key.replace("_", "a").replace("-", "a").isalnum() and key.isascii() else json.dumps(key)


def _value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
