package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"strconv"
	"strings"
)

// A segment file is a header and records, all little-endian:
//
//	header  "NSJRNL01" | number u64 | base u64 | crc32c u32 | 0 u32          32 bytes
//	record  FF FE 4E 52 | length u32 | seq u64 | crc32c u32 | payload         20 bytes + length
//
// base is the smallest sequence number a record of the file can have. A record's checksum also covers the segment's
// number and the record's offset, so bytes copied elsewhere are not a record there. FF and FE occur in no UTF-8 text.
const (
	headerSize       = 32
	recordHeaderSize = 20
	suffix           = ".journal"
	tempSuffix       = ".rewrite"
)

var (
	headerMagic = []byte("NSJRNL01")
	recordMagic = []byte{0xFF, 0xFE, 0x4E, 0x52}
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
)

// segment is an open segment file and the index of its records. All but the last are immutable.
type segment struct {
	number  uint64
	base    uint64
	file    File
	size    int64    // end of the last record
	deltas  []uint32 // seq − base, ascending
	offsets []uint32
}

func segmentName(number uint64) string { return fmt.Sprintf("%012d%s", number, suffix) }

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

func encodeHeader(number, base uint64) []byte {
	h := make([]byte, 0, headerSize)
	h = append(h, headerMagic...)
	h = binary.LittleEndian.AppendUint64(h, number)
	h = binary.LittleEndian.AppendUint64(h, base)
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	return binary.LittleEndian.AppendUint32(h, 0)
}

// decodeHeader returns base; false when the header is damaged or another segment's.
func decodeHeader(h []byte, number uint64) (uint64, bool) {
	if len(h) < headerSize || !bytes.Equal(h[:8], headerMagic) || binary.LittleEndian.Uint64(h[8:]) != number {
		return 0, false
	}
	if crc32.Checksum(h[:24], castagnoli) != binary.LittleEndian.Uint32(h[24:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(h[16:]), true
}

func appendRecord(buf []byte, number uint64, offset int64, seq uint64, payload []byte) []byte {
	at := len(buf)
	buf = append(buf, recordMagic...)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = binary.LittleEndian.AppendUint64(buf, seq)
	buf = binary.LittleEndian.AppendUint32(buf, checksum(number, offset, buf[at+4:at+16], payload))
	return append(buf, payload...)
}

func checksum(number uint64, offset int64, lengthSeq, payload []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], number)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	c := crc32.Update(0, castagnoli, place[:])
	c = crc32.Update(c, castagnoli, lengthSeq)
	return crc32.Update(c, castagnoli, payload)
}

// parseRecord reads the record at the start of data, which lies at offset in the segment.
func parseRecord(data []byte, number uint64, offset int64) (seq uint64, payload []byte, ok bool) {
	if len(data) < recordHeaderSize || !bytes.Equal(data[:4], recordMagic) {
		return 0, nil, false
	}
	n := int64(binary.LittleEndian.Uint32(data[4:]))
	if n > int64(len(data)-recordHeaderSize) {
		return 0, nil, false
	}
	payload = data[recordHeaderSize : recordHeaderSize+n]
	if checksum(number, offset, data[4:16], payload) != binary.LittleEndian.Uint32(data[16:]) {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint64(data[8:]), payload, true
}

// parseSegment calls visit for each valid record of a segment's bytes, and gap for each stretch of bytes between them
// that is none. It returns where the last valid record ends; what follows is a torn tail.
func parseSegment(data []byte, number uint64, visit func(offset int64, seq uint64, payload []byte), gap func(offset, length int64)) int64 {
	at, end := int64(headerSize), int64(headerSize)
	for at < int64(len(data)) {
		seq, payload, ok := parseRecord(data[at:], number, at)
		if !ok {
			next := bytes.Index(data[at+1:], recordMagic)
			if next < 0 {
				break
			}
			at += 1 + int64(next)
			continue
		}
		if at > end {
			gap(end, at-end)
		}
		visit(at, seq, payload)
		at += recordHeaderSize + int64(len(payload))
		end = at
	}
	return end
}

// add indexes a record that was written at the end.
func (s *segment) add(offset int64, seq uint64, length int) {
	s.deltas = append(s.deltas, uint32(seq-s.base))
	s.offsets = append(s.offsets, uint32(offset))
	s.size = offset + recordHeaderSize + int64(length)
}

// from returns the index of the first record with a sequence number of at least seq.
func (s *segment) from(seq uint64) int {
	return sort.Search(len(s.deltas), func(i int) bool { return s.base+uint64(s.deltas[i]) >= seq })
}

func (s *segment) seq(i int) uint64 { return s.base + uint64(s.deltas[i]) }

// last is the largest sequence number, base−1 when there is none.
func (s *segment) last() uint64 {
	if len(s.deltas) == 0 {
		return s.base - 1
	}
	return s.seq(len(s.deltas) - 1)
}

// extent is where record i starts and ends. After a skipped gap the end is late, which read allows for.
func (s *segment) extent(i int) (start, end int64) {
	start, end = int64(s.offsets[i]), s.size
	if i+1 < len(s.offsets) {
		end = int64(s.offsets[i+1])
	}
	return start, end
}

// errCorrupt is a record whose checksum no longer holds.
var errCorrupt = errors.New("record is corrupt")

// read returns the payload of record i.
func (s *segment) read(i int) ([]byte, error) {
	start, end := s.extent(i)
	data := make([]byte, end-start)
	if _, err := s.file.ReadAt(data, start); err != nil {
		return nil, fmt.Errorf("read journal record %d in %s: %w", s.seq(i), segmentName(s.number), err)
	}
	seq, payload, ok := parseRecord(data, s.number, start)
	if !ok || seq != s.seq(i) {
		return nil, fmt.Errorf("read journal record %d in %s: %w", s.seq(i), segmentName(s.number), errCorrupt)
	}
	return payload, nil
}
