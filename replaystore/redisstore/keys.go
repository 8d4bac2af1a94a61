package redisstore

import (
	"hash/fnv"
	"strconv"
)

// keys builds the names of everything in Redis. All keys of one script share a hash tag, {track.shard} or {control}, so
// that a cluster keeps them in one slot.
//
//	P:{track.shard}:events           hash    event key → payload; "" once erased
//	P:{track.shard}:stream           stream  k = event key, in commit order
//	P:{track.shard}:erased           hash    subject → time of its last erasure, µs
//	P:{track.0}:memory:generation    string  of the long-term sample
//	P:{track.0}:memory:retired       set     item ids that stay out
//	P:{track.0}:memory:recent        zset    item id by time in ms
//	P:{track.0}:memory:recent:items  hash    item id → item
//	P:{track.0}:memory:G:strata      set     names of strata of generation G
//	P:{track.0}:memory:G:items       hash    item id → item
//	P:{track.0}:memory:G:sample:S    zset    item id by sampling key, stratum S
//	P:{control}:signals              stream  kind, time, data
//	P:{control}:tracks               set     names
//	P:{control}:erased               hash    erasure id → erasure
//	P:{control}:secret, :shards, :epoch      strings
type keys struct {
	prefix string
	shards int
}

func (k keys) shard(track string, shard int) string {
	return k.prefix + ":{" + track + "." + strconv.Itoa(shard) + "}:"
}

// of is the shard of what belongs to an interaction.
func (k keys) of(interaction string) int {
	if k.shards == 1 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(interaction))
	return int(h.Sum32() % uint32(k.shards))
}

func (k keys) events(track string, shard int) string { return k.shard(track, shard) + "events" }
func (k keys) stream(track string, shard int) string { return k.shard(track, shard) + "stream" }
func (k keys) erased(track string, shard int) string { return k.shard(track, shard) + "erased" }

func (k keys) memory(track, name string) string { return k.shard(track, 0) + "memory:" + name }

func (k keys) generation(track string, generation int64, name string) string {
	return k.memory(track, strconv.FormatInt(generation, 10)+":"+name)
}

func (k keys) sample(track string, generation int64, stratum string) string {
	return k.generation(track, generation, "sample:"+stratum)
}

func (k keys) control(name string) string { return k.prefix + ":{control}:" + name }
