package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"nightshift/internal/atomicfile"
	"nightshift/replaystore"
)

// DeadLetterFile is the name of the file beside the journal that keeps what Redis refuses for good, one JSON object a line.
const DeadLetterFile = "dead-letters.jsonl"

// deadLetter is a line of that file.
type deadLetter struct {
	Seq    uint64          `json:"seq"` // in the journal
	Time   time.Time       `json:"time"`
	Error  string          `json:"error"`
	Record json.RawMessage `json:"record,omitempty"`
	Bytes  []byte          `json:"bytes,omitempty"` // of a record that is no JSON
}

// deadLetters is the file, with the numbers of the records in it.
type deadLetters struct {
	path string

	mu   sync.Mutex
	seqs map[uint64]bool
}

// openDeadLetters reads the file, which need not be there and which nobody writes in the meantime. A torn line is stepped over: its
// record is tried again.
func openDeadLetters(dir string) (*deadLetters, error) {
	atomicfile.Sweep(dir, DeadLetterFile, 0) // an erasure that was interrupted leaves people's words behind
	d := &deadLetters{path: filepath.Join(dir, DeadLetterFile), seqs: make(map[uint64]bool)}
	data, err := os.ReadFile(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	for line := range bytes.Lines(data) {
		var l deadLetter
		if json.Unmarshal(line, &l) == nil {
			d.seqs[l.Seq] = true
		}
	}
	return d, nil
}

func (d *deadLetters) has(seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seqs[seq]
}

func (d *deadLetters) count() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.seqs))
}

// add writes a line and returns once it is on disk.
func (d *deadLetters) add(l deadLetter, payload []byte) error {
	if json.Valid(payload) {
		l.Record = payload
	} else {
		l.Bytes = payload
	}
	line, err := replaystore.EncodeJSON(l)
	if err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	_, err = f.Write(append(append([]byte("\n"), line...), '\n')) // the line before may be torn
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	d.seqs[l.Seq] = true
	return nil
}

// erase removes what an eraser matches. The numbers stay known: the journal may still have the records until it is
// rewritten.
func (d *deadLetters) erase(x *replaystore.Eraser) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("erase dead letters: %w", err)
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(data) {
		var l deadLetter
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		r, err := replaystore.DecodeRecord(l.Record)
		if err == nil && (r.Event != nil && x.Event(*r.Event) || r.Admit != nil && x.Item(r.Admit)) {
			continue
		}
		kept.Write(line)
	}
	if err := atomicfile.Write(d.path, kept.Bytes(), 0o600); err != nil {
		return fmt.Errorf("erase dead letters: %w", err)
	}
	return nil
}

// bury keeps a record as a dead letter; the shipper goes on without it.
func (p *shipper) bury(seq uint64, cause error) error {
	payload, err := p.journal.Read(seq)
	if err != nil {
		return fmt.Errorf("bury record %d: %w", seq, err)
	}
	if err := p.dead.add(deadLetter{Seq: seq, Time: p.cfg.Now().UTC(), Error: cause.Error()}, payload); err != nil {
		return fmt.Errorf("bury record %d: %w", seq, err)
	}
	p.log.Error("Redis refuses a record; it is kept in the dead-letter file and nothing waits for it", "file", p.dead.path, "seq", seq, "error", cause)
	return nil
}

// conditions are words of answers that tell of the state of a server, its connection or our rights: trying again helps.
var conditions = []string{"OOM", "MISCONF", "READONLY", "CLUSTERDOWN", "LOADING", "BUSY", "MASTERDOWN", "NOAUTH", "NOPERM", "WRONGPASS", "NOREPLICAS",
	"TRYAGAIN", "MOVED ", "ASK ", "NOSCRIPT", "WRONGTYPE", "CROSSSLOT", "EXECABORT", "max number of clients", "unknown command", "not allowed"}

// refused reports whether an error is an answer of Redis about what was sent.
func refused(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) || errors.Is(err, redis.Nil) {
		return false
	}
	for _, word := range conditions {
		if strings.Contains(answer.Error(), word) {
			return false
		}
	}
	return true
}

// isolate finds the records for which a pipeline failed. Each is sent alone, and buried when Redis refuses it and takes
// an empty call beside it. Any other error ends the try, and what was not sent is sent again.
func (p *shipper) isolate(ctx context.Context, b *batch, cause error) error {
	found := false
	for _, g := range b.groups {
		if !refused(g.cmd.Err()) {
			continue
		}
		found = true
		for n, seq := range g.seqs {
			if err := p.sendAlone(ctx, seq, g.keys, g.args[4*n:4*n+4]); err != nil {
				return err
			}
		}
	}
	for n, s := range b.items {
		if !refused(s.cmd.Err()) {
			continue
		}
		found = true
		if err := p.offerAlone(ctx, &b.items[n]); err != nil {
			return err
		}
	}
	if !found {
		return cause
	}
	for _, g := range b.groups { // what failed for another reason, as when the server hung up on the refused one
		if err := g.cmd.Err(); err != nil && !refused(err) {
			return err
		}
	}
	for _, s := range b.items {
		if err := s.cmd.Err(); err != nil && !refused(err) {
			return err
		}
	}
	return nil
}

// sendAlone sends one event.
func (p *shipper) sendAlone(ctx context.Context, seq uint64, keys []string, args []any) error {
	err := p.client.EvalSha(ctx, shipScript.Hash(), keys, args...).Err()
	if err == nil || !refused(err) {
		return err
	}
	if err := p.client.EvalSha(ctx, shipScript.Hash(), keys).Err(); err != nil {
		return err // it is not the record
	}
	return p.bury(seq, err)
}

// offerAlone offers one memory item; one that is refused has no answer.
func (p *shipper) offerAlone(ctx context.Context, s *sentItem) error {
	pipe := p.client.Pipeline()
	cmd, err := p.queueItem(ctx, pipe, *s)
	if err != nil {
		return err
	}
	_, err = pipe.Exec(ctx)
	s.cmd = cmd
	if err == nil || !refused(err) {
		return err
	}
	keys := []string{p.keys.events(s.track, 0), p.keys.stream(s.track, 0), p.keys.erased(s.track, 0)}
	if err := p.client.EvalSha(ctx, shipScript.Hash(), keys).Err(); err != nil {
		return err
	}
	return p.bury(s.seq, err)
}
