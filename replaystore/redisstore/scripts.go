package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Every script reads and checks before it writes: Redis does not roll back a script that fails. None draws random
// numbers. Each may be run again with the same arguments without another effect.

// shipScript adds events to a shard, in order; without any it only looks whether it could. The stream is written first: an
// entry without a payload is skipped by readers and repaired by the next try, a payload without an entry would never be read.
//
//	KEYS  events, stream, erased
//	ARGV  for each event: event key, payload, subject or "", time in µs
//	returns how many were added: those that are known or covered by an erasure are not
var shipScript = redis.NewScript(`
redis.call('HLEN', KEYS[1])
redis.call('XLEN', KEYS[2])
local erasures = redis.call('HLEN', KEYS[3]) > 0
local added = 0
for i = 1, #ARGV, 4 do
  local t = erasures and ARGV[i + 2] ~= '' and redis.call('HGET', KEYS[3], ARGV[i + 2])
  if not (t and tonumber(ARGV[i + 3]) <= tonumber(t)) and redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    redis.call('XADD', KEYS[2], '*', 'k', ARGV[i])
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    added = added + 1
  end
end
return added`)

// admitScript offers an item to the rehearsal memory.
//
//	KEYS  generation, retired, recent, recent:items, G:strata, G:items, G:sample:S, erased
//	ARGV  id, G, sampling key, S, items per stratum, strata, payload, time in ms, recent items, subject or "", time in µs
//	returns {1 offered | 0 retired | -1 erased | -2 one stratum too many, generation before}
var admitScript = redis.NewScript(`
local function shrink(order, items, limit)
  local over = redis.call('ZCARD', order) - limit
  if over > 0 then
    for _, out in ipairs(redis.call('ZRANGE', order, 0, over - 1)) do
      redis.call('ZREM', order, out)
      redis.call('HDEL', items, out)
    end
  end
end
local gen = tonumber(redis.call('GET', KEYS[1]) or '0')
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return {0, gen} end
if ARGV[10] ~= '' then
  local t = redis.call('HGET', KEYS[8], ARGV[10])
  if t and tonumber(ARGV[11]) <= tonumber(t) then return {-1, gen} end
end
local g = tonumber(ARGV[2])
local sampled = redis.call('HEXISTS', KEYS[6], ARGV[1]) == 1
local recent = redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[7])
if g >= gen and redis.call('SISMEMBER', KEYS[5], ARGV[4]) == 0 and redis.call('SCARD', KEYS[5]) >= tonumber(ARGV[6]) then
  return {-2, gen}
end
if g > gen then redis.call('SET', KEYS[1], ARGV[2]) end
if g >= gen and not sampled then
  redis.call('SADD', KEYS[5], ARGV[4])
  redis.call('ZADD', KEYS[7], ARGV[3], ARGV[1])
  redis.call('HSET', KEYS[6], ARGV[1], ARGV[7])
  shrink(KEYS[7], KEYS[6], tonumber(ARGV[5]))
end
if not recent then
  redis.call('ZADD', KEYS[3], ARGV[8], ARGV[1])
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[7])
  shrink(KEYS[3], KEYS[4], tonumber(ARGV[9]))
end
return {1, gen}`)

// eraseScript raises the time of a subject's last erasure.
//
//	KEYS  erased
//	ARGV  subject, time in µs
//	returns 1 raised, 0 not
var eraseScript = redis.NewScript(`
local t = redis.call('HGET', KEYS[1], ARGV[1])
if t and tonumber(ARGV[2]) <= tonumber(t) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`)

// loadScripts makes the scripts known to every master, so that they are called by their hashes. A server that has
// forgotten them answers NOSCRIPT, and the shipper connects again.
func (s *Store) loadScripts(ctx context.Context) error {
	load := func(ctx context.Context, c *redis.Client) error {
		var failed error
		for _, script := range []*redis.Script{shipScript, admitScript, eraseScript} {
			failed = errors.Join(failed, script.Load(ctx, c).Err())
		}
		return failed
	}
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, load)
	case *redis.Client:
		return load(ctx, c)
	}
	return nil
}
