# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of places. They lie in a few crowded regions and all over the map; areas are small, huge, across
the antimeridian and near a pole."""

from diff_commands import command

PLACES = [b"p%d" % i for i in range(30)] + [b"1", b"", b"\x00\xff"]
LONGITUDES = [b"0", b"180", b"-180", b"179.999", b"-179.999", b"13.361389", b"15.087269", b"1e-9"]
LATITUDES = [b"0", b"85.05112878", b"-85.05112878", b"85", b"38.115556", b"37.502669", b"-1e-9"]
EDGE_KEY = b"edge"  # has places near the poles and on the edges, which are not searched for
BAD_DEGREES = [b"181", b"-180.1", b"nan", b"inf", b"x", b"", b" 1", b"1e400"]
UNITS = [b"m", b"km", b"KM", b"ft", b"mi"]
LENGTHS = [b"0", b"0.5", b"1", b"100", b"5000", b"20000", b"1e5"]
BAD_LENGTHS = [b"-1", b"x", b"nan", b"1e400"]
# Of places that are equally far, which ones COUNT leaves out is a matter of sorting: here all places differ.
COUNT_KEY = b"places"
# Where a pole lies within the area, Redis misses places, and this server finds them in another order. Up to here
# none does.
LAT_MOST = 60
KM_MOST = 2500


def degrees(s, key=b""):
    """A place: longitude, latitude."""
    if key != COUNT_KEY and s.chance(0.04):
        return [s.pick(LONGITUDES + BAD_DEGREES), s.pick(LATITUDES[4:] + BAD_DEGREES + [b"86"])]
    if key == EDGE_KEY:
        return [s.pick(LONGITUDES), s.pick(LATITUDES)]
    if s.chance(0.5):
        return [b"%.6f" % s.rng.gauss(13.4, 0.3), b"%.6f" % s.rng.gauss(38.1, 0.3)]
    return [b"%.5f" % s.rng.uniform(-180, 180), b"%.5f" % s.rng.uniform(-LAT_MOST, LAT_MOST)]


def centre(s):
    if s.chance(0.04):
        return degrees(s)
    if s.chance(0.5):
        return [b"%.6f" % s.rng.gauss(13.4, 0.5), b"%.6f" % s.rng.gauss(38.1, 0.5)]
    lon = b"%.4f" % (s.rng.choice([180, 180, -180, 0]) * s.rng.uniform(0.97, 1) or s.rng.uniform(-180, 180))
    return [lon, b"%.4f" % s.rng.uniform(-LAT_MOST, LAT_MOST)]


def unit(s):
    return s.pick([b"x", b""]) if s.chance(0.02) else s.pick(UNITS)


def length(s):
    """A length and its unit."""
    if s.chance(0.05):
        return [s.pick(BAD_LENGTHS), unit(s)]
    if s.chance(0.3):
        return [s.pick(LENGTHS), s.pick([b"m", b"ft"])]
    return [b"%.3f" % (KM_MOST ** s.rng.uniform(0, 1)), b"km"]


def place(s):
    return s.pick(PLACES)


def count(s):
    number = s.pick([b"1", b"2", b"5", b"100", b"0", b"-1", b"x"])
    return [b"COUNT", number] + ([b"ANY"] if s.chance(0.3) else [])


def words(s, more=()):
    return s.options([b"WITHDIST", b"WITHHASH", b"WITHCOORD", b"ASC", b"DESC", count, *more], 4)


def key_for(s, words):
    upper = [w.upper() for w in words]
    return COUNT_KEY if b"COUNT" in upper and b"ANY" not in upper else s.key()


@command("GEOADD", weight=12)
def _geoadd(s):
    key = s.rng.choice([COUNT_KEY, EDGE_KEY, s.key(), s.key(), s.key()])
    out = [key] + s.options([b"NX", b"XX", b"CH"], 2)
    for _ in range(s.rng.choice([1, 3, 20, 60])):
        out += degrees(s, key) + [place(s)]
    return out[:-1] if s.chance(0.03) else out


def any_key(s):
    return EDGE_KEY if s.chance(0.3) else s.key()


command("GEODIST", weight=3)(
    lambda s: [any_key(s), place(s), place(s)] + s.options([lambda s: [unit(s)]], 1)
)
for _name in ("GEOHASH", "GEOPOS"):
    command(_name, weight=3)(lambda s: [any_key(s)] + [place(s) for _ in range(s.rng.randint(0, 4))])


def _where(s):
    out = []
    if s.chance(0.97):
        out += [b"FROMLONLAT"] + centre(s) if s.chance(0.8) else [b"FROMMEMBER", place(s)]
    if s.chance(0.97):
        if s.chance(0.5):
            out += [b"BYRADIUS"] + length(s)
        else:
            width = length(s)
            out += [b"BYBOX", width[0]] + length(s)
    return out


@command("GEOSEARCH", weight=12)
def _geosearch(s):
    tail = words(s)
    return [key_for(s, tail)] + _where(s) + tail


@command("GEOSEARCHSTORE", weight=4)
def _geosearchstore(s):
    tail = s.options([b"STOREDIST", b"ASC", b"DESC", count], 3)
    return [s.key(), key_for(s, tail)] + _where(s) + tail


def _store(s):
    return [s.pick([b"STORE", b"STOREDIST"]), s.key()]


def _radius(s, where, more):
    tail = words(s, more)
    return [key_for(s, tail)] + where(s) + length(s) + tail


for _name, _more in (("GEORADIUS", (_store,)), ("GEORADIUS_RO", ())):
    command(_name, weight=3)(lambda s, m=_more: _radius(s, centre, m))
for _name, _more in (("GEORADIUSBYMEMBER", (_store,)), ("GEORADIUSBYMEMBER_RO", ())):
    command(_name, weight=3)(lambda s, m=_more: _radius(s, lambda s: [place(s)], m))
