package tokenizer

import "unicode/utf8"

// GPT-2 writes each byte of a token as one printable character, so that a vocabulary is a plain text file: bytes that
// print stand for themselves, the other 68 are moved up to U+0100 and following (bytes_to_unicode in OpenAI's
// encoder.py).

// byteRune is the character that stands for a byte in a vocabulary file.
var byteRune = func() (table [256]rune) {
	moved := rune(256)
	for b := range table {
		if '!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b {
			table[b] = rune(b)
		} else {
			table[b] = moved
			moved++
		}
	}
	return table
}()

// runeByte is byteRune the other way round: −1 for characters that stand for no byte.
var runeByte = func() (table [256 + 68]int16) {
	for i := range table {
		table[i] = -1
	}
	for b, r := range byteRune {
		table[r] = int16(b)
	}
	return table
}()

// spell writes bytes in GPT-2's alphabet.
func spell(raw string) string {
	out := make([]byte, 0, 2*len(raw))
	for i := range len(raw) {
		out = utf8.AppendRune(out, byteRune[raw[i]])
	}
	return string(out)
}

// unspell reads a vocabulary entry back into bytes; ok is false where a character is outside GPT-2's alphabet.
func unspell(token string) (raw string, ok bool) {
	out := make([]byte, 0, len(token))
	for _, r := range token {
		if int(r) >= len(runeByte) || runeByte[r] < 0 {
			return "", false
		}
		out = append(out, byte(runeByte[r]))
	}
	return string(out), true
}
