-- SPDX-License-Identifier: BSD-3-Clause
--
-- What the cases and the tests of the Lua libraries use.

local function text(s)
  if #s > 200 then return '#' .. #s .. text(s:sub(1, 16)) end
  return "'" .. s:gsub('[^ -~]', function(c) return ('\\%03d'):format(c:byte()) end) .. "'"
end

-- A value as text; the order of a table's keys does not matter.
function show(v)
  local t = type(v)
  if t == 'string' then return text(v) end
  if t == 'number' then return ('%.17g'):format(v) end
  if t ~= 'table' then return tostring(v) end
  local out = {}
  for k, e in pairs(v) do out[#out + 1] = show(k) .. '=' .. show(e) end
  table.sort(out)
  return '{' .. table.concat(out, ' ') .. '}'
end

function all(...)
  local out = {}
  for i = 1, select('#', ...) do out[i] = show((select(i, ...))) end
  return table.concat(out, ' ')
end

function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end

function bytes(h) return (h:gsub('%s*(%x%x)', function(b) return string.char(tonumber(b, 16)) end)) end

-- The table @inner inside @n others.
function nest(n, inner)
  for _ = 1, n do inner = {inner} end
  return inner
end

-- {1, 2 .. n}, or the same under the keys k1 .. kn.
function count(n, prefix)
  local t = {}
  for i = 1, n do t[prefix and prefix .. i or i] = i end
  return t
end
