package replaystore

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Uniform maps an id to a number in (0,1), both ends excluded: the first 53 bits of HMAC-SHA256(secret, id), plus one
// half, over 2^53. Who does not know the secret cannot choose an id for its number. The largest value rounds to 1 in
// float64; it is taken one step lower.
func Uniform(secret []byte, id string) float64 {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id))
	bits := binary.BigEndian.Uint64(h.Sum(nil)) >> 11
	u := (float64(bits) + 0.5) / (1 << 53)
	return min(u, 1-1.0/(1<<53))
}

// SampleKey is ln(u)/w: the k items with the largest keys are a weighted sample without replacement; with w = 1 a
// uniform one. Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006 (there u^(1/w), whose order is
// the same and which underflows). u is in (0,1) and w > 0, so the key is finite and negative.
func SampleKey(u, w float64) float64 { return math.Log(u) / w }

// Keyed is an item with its sampling key.
type Keyed struct {
	Key  float64    `json:"key"`
	Item MemoryItem `json:"item"`
}

// compareKeyed orders by key, then by id: the order of a Redis sorted set.
func compareKeyed(a, b Keyed) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Item.ID, b.Item.ID))
}

// compareRecent orders by time in milliseconds, then by id.
func compareRecent(a, b MemoryItem) int {
	return cmp.Or(cmp.Compare(a.Time.UnixMilli(), b.Time.UnixMilli()), cmp.Compare(a.ID, b.ID))
}
