package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
	"nightshift/replaystore/journal"
)

// batch is what is sent in one pipeline: the events of each shard in groups, and memory items.
type batch struct {
	groups []*group
	last   map[string]*group // by stream
	items  []sentItem
}

// group is what one call of shipScript adds to a shard.
type group struct {
	keys  []string
	args  []any // four for each event
	seqs  []uint64
	bytes int
	cmd   *redis.Cmd
}

// sentItem is a memory item that is offered.
type sentItem struct {
	seq   uint64
	track string
	item  *replaystore.MemoryItem
	cmd   *redis.Cmd
}

// shipBatch sends records in order: events and items in pipelines, the rest one by one.
func (p *shipper) shipBatch(ctx context.Context, records []journal.Record) error {
	b := batch{last: make(map[string]*group)}
	for _, rec := range records {
		if p.dead.has(rec.Seq) {
			continue
		}
		head, ok := replaystore.DecodeHead(rec.Payload)
		if ok {
			if err := p.enter(ctx, head.Track); err != nil {
				return err
			}
			p.add(&b, rec.Seq, head)
			continue
		}
		r, err := replaystore.DecodeRecord(rec.Payload)
		if err == nil && r.Event != nil && r.Event.Erasure == nil {
			head, err = headOf(*r.Event)
		}
		switch {
		case err != nil:
			if err := p.bury(rec.Seq, fmt.Errorf("read it: %w", err)); err != nil {
				return err
			}
		case head.Key != "":
			if err := p.enter(ctx, head.Track); err != nil {
				return err
			}
			p.add(&b, rec.Seq, head)
		case r.Admit != nil:
			if err := p.enter(ctx, r.Track); err != nil {
				return err
			}
			b.items = append(b.items, sentItem{seq: rec.Seq, track: r.Track, item: r.Admit})
		default:
			if err := p.send(ctx, &b); err != nil {
				return err
			}
			if err := p.shipOther(ctx, r); err != nil {
				return err
			}
		}
	}
	return p.send(ctx, &b)
}

// headOf makes the head of an event that was decoded whole.
func headOf(e replaystore.Event) (replaystore.Head, error) {
	payload, err := e.Encode()
	return replaystore.Head{Key: e.Key(), Track: e.Track(), Interaction: e.InteractionID(), Subject: e.Subject(), Time: e.Time(), Event: payload}, err
}

// add puts an event into the group of its shard.
func (p *shipper) add(b *batch, seq uint64, h replaystore.Head) {
	shard := p.keys.of(h.Interaction)
	stream := p.keys.stream(h.Track, shard)
	g := b.last[stream]
	if g == nil || len(g.seqs) >= groupEvents || g.bytes+len(h.Event) > groupBytes {
		g = &group{keys: []string{p.keys.events(h.Track, shard), stream, p.keys.erased(h.Track, shard)}}
		b.groups = append(b.groups, g)
		b.last[stream] = g
	}
	g.args = append(g.args, h.Key, h.Event, h.Subject, micros(h.Time))
	g.seqs = append(g.seqs, seq)
	g.bytes += len(h.Event)
}

// send sends a batch in one pipeline and empties it.
func (p *shipper) send(ctx context.Context, b *batch) error {
	pipe := p.client.Pipeline()
	for _, g := range b.groups {
		g.cmd = pipe.EvalSha(ctx, shipScript.Hash(), g.keys, g.args...)
	}
	for n, s := range b.items {
		cmd, err := p.queueItem(ctx, pipe, s)
		if err != nil {
			return err
		}
		b.items[n].cmd = cmd
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		if err := p.isolate(ctx, b, err); err != nil {
			return err
		}
	}
	items := b.items
	*b = batch{last: make(map[string]*group)}
	return p.offered(ctx, items)
}

func (p *shipper) shipOther(ctx context.Context, r replaystore.Record) error {
	if r.Event != nil {
		return p.shipErasure(ctx, *r.Event.Erasure)
	}
	if err := p.enter(ctx, r.Track); err != nil {
		return err
	}
	return p.retireItems(ctx, r.Track, r.Retire)
}

// enter makes a track known in Redis, once for each connection, with the erasures that late events of it must meet.
func (p *shipper) enter(ctx context.Context, track string) error {
	if p.tracks[track] {
		return nil
	}
	if err := p.client.SAdd(ctx, p.keys.control("tracks"), track).Err(); err != nil {
		return err
	}
	all, err := p.allErasures(ctx)
	if err != nil {
		return err
	}
	pipe := p.client.Pipeline()
	for _, e := range all {
		p.queueErased(ctx, pipe, track, e)
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	p.tracks[track] = true
	return nil
}

func (p *shipper) queueErased(ctx context.Context, pipe redis.Pipeliner, track string, e replaystore.Erasure) {
	for shard := range p.keys.shards {
		pipe.EvalSha(ctx, eraseScript.Hash(), []string{p.keys.erased(track, shard)}, e.Subject, micros(e.Time))
	}
}

// queueErasure sends the notice of an erasure to a track.
func (p *shipper) queueErasure(ctx context.Context, pipe redis.Pipeliner, track string, e replaystore.Erasure) error {
	ev := replaystore.Event{Erasure: &e}
	payload, err := ev.Encode()
	if err != nil {
		return err
	}
	shard := p.keys.of(ev.InteractionID())
	pipe.EvalSha(ctx, shipScript.Hash(), []string{p.keys.events(track, shard), p.keys.stream(track, shard), p.keys.erased(track, shard)},
		ev.Key(), payload, "", micros(e.Time))
	return nil
}

func (p *shipper) queueItem(ctx context.Context, pipe redis.Pipeliner, s sentItem) (*redis.Cmd, error) {
	item := s.item
	payload, err := replaystore.EncodeJSON(item)
	if err != nil {
		return nil, err
	}
	key := replaystore.SampleKey(replaystore.Uniform(p.secret, item.ID), item.Weight)
	k, t, g := p.keys, s.track, item.Generation
	limits := p.cfg.limits(t)
	return pipe.EvalSha(ctx, admitScript.Hash(),
		[]string{k.memory(t, "generation"), k.memory(t, "retired"), k.memory(t, "recent"), k.memory(t, "recent:items"),
			k.generation(t, g, "strata"), k.generation(t, g, "items"), k.sample(t, g, item.Stratum), k.erased(t, 0)},
		item.ID, g, strconv.FormatFloat(key, 'g', 17, 64), item.Stratum, limits.PerStratum, limits.Strata, payload,
		item.Time.UnixMilli(), limits.Recent, item.Subject, micros(item.Time)), nil
}

// offered reads what became of the items and removes generations that have ended.
func (p *shipper) offered(ctx context.Context, items []sentItem) error {
	for _, s := range items {
		if p.dead.has(s.seq) {
			continue
		}
		answer, err := s.cmd.Int64Slice()
		if err == nil && len(answer) != 2 {
			err = fmt.Errorf("the script answered %v", answer)
		}
		if err != nil {
			return fmt.Errorf("admit memory item %s: %w", s.item.ID, err)
		}
		if answer[0] == -2 {
			p.log.Error("memory item stays out: too many strata", "track", s.track, "item", s.item.ID)
		}
		if answer[0] == 1 && answer[1] < s.item.Generation {
			if err := p.removeGeneration(ctx, s.track, answer[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func micros(t time.Time) int64 { return t.UnixMicro() }
