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

// shipBatch sends records in order: events and items in pipelines, the rest one by one.
func (p *shipper) shipBatch(ctx context.Context, records []journal.Record) error {
	pipe := p.client.Pipeline()
	var items []sentItem
	send := func() error {
		if pipe.Len() == 0 {
			return nil
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		err := p.offered(ctx, items)
		items = nil
		return err
	}
	for _, rec := range records {
		r, err := replaystore.DecodeRecord(rec.Payload)
		if err != nil {
			p.log.Error("stepping over a record that cannot be read", "seq", rec.Seq, "error", err)
			continue
		}
		switch {
		case r.Event != nil && r.Event.Erasure == nil:
			if err := p.enter(ctx, r.Event.Track()); err != nil {
				return err
			}
			if err := p.queueEvent(ctx, pipe, r.Event.Track(), *r.Event, r.Event.Subject()); err != nil {
				return err
			}
		case r.Admit != nil:
			if err := p.enter(ctx, r.Track); err != nil {
				return err
			}
			cmd, err := p.queueItem(ctx, pipe, r)
			if err != nil {
				return err
			}
			items = append(items, sentItem{r.Track, r.Admit, cmd})
		default:
			if err := send(); err != nil {
				return err
			}
			if err := p.shipOther(ctx, r); err != nil {
				return err
			}
		}
	}
	return send()
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
		pipe.Eval(ctx, eraseScript, []string{p.keys.erased(track, shard)}, e.Subject, micros(e.Time))
	}
}

// queueEvent sends an event to its shard; subject is who must not have been erased.
func (p *shipper) queueEvent(ctx context.Context, pipe redis.Pipeliner, track string, e replaystore.Event, subject string) error {
	payload, err := e.Encode()
	if err != nil {
		return err
	}
	shard := p.keys.of(e.InteractionID())
	pipe.Eval(ctx, shipScript,
		[]string{p.keys.events(track, shard), p.keys.stream(track, shard), p.keys.erased(track, shard)},
		e.Key(), payload, subject, micros(e.Time()))
	return nil
}

type sentItem struct {
	track string
	item  *replaystore.MemoryItem
	cmd   *redis.Cmd
}

func (p *shipper) queueItem(ctx context.Context, pipe redis.Pipeliner, r replaystore.Record) (*redis.Cmd, error) {
	item := *r.Admit
	payload, err := replaystore.EncodeJSON(item)
	if err != nil {
		return nil, err
	}
	key := replaystore.SampleKey(replaystore.Uniform(p.secret, item.ID), item.Weight)
	k, t, g := p.keys, r.Track, item.Generation
	return pipe.Eval(ctx, admitScript,
		[]string{k.memory(t, "generation"), k.memory(t, "retired"), k.memory(t, "recent"), k.memory(t, "recent:items"),
			k.generation(t, g, "strata"), k.generation(t, g, "items"), k.sample(t, g, item.Stratum), k.erased(t, 0)},
		item.ID, g, strconv.FormatFloat(key, 'g', 17, 64), item.Stratum, p.cfg.Memory.PerStratum, p.cfg.Memory.Strata, payload,
		item.Time.UnixMilli(), p.cfg.Memory.Recent, item.Subject, micros(item.Time)), nil
}

// offered reads what became of the items and removes generations that have ended.
func (p *shipper) offered(ctx context.Context, items []sentItem) error {
	for _, s := range items {
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
