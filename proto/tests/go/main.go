// Checks what our Rust code publishes with software that is not ours: golang.org/x/mod/sumdb/{note,tlog}, by the
// authors of the formats, and Go's own crypto. `proto/tests/oracles.rs` writes the directory and runs this:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run . DIRECTORY
//
//	DIRECTORY/vkeys           verifier keys, one a line: the log's first, then those of witnesses
//	DIRECTORY/good/*          receipts that must verify
//	DIRECTORY/bad/*           receipts that must not
//	DIRECTORY/consistency/*   old size, old root, new size, new root, then the proof: one a line, all proofs must hold
//	DIRECTORY/log/…           checkpoint, tiles and entry bundles
//	DIRECTORY/spoil           paths below log/, one a line: with a byte of any of them changed, the log must not verify
//
// The program itself also changes every byte of the checkpoint and every hash of every consistency proof.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	directory := os.Args[1]
	verifiers := readKeys(filepath.Join(directory, "vkeys"))
	counts := map[string]int{}
	for _, path := range list(directory, "good") {
		if err := checkReceipt(read(path), verifiers); err != nil {
			fail(path, err)
		}
		counts["good"]++
	}
	for _, path := range list(directory, "bad") {
		if checkReceipt(read(path), verifiers) == nil {
			fail(path, errors.New("was accepted"))
		}
		counts["bad"]++
	}
	for _, path := range list(directory, "consistency") {
		file := string(read(path))
		if err := checkConsistency(file); err != nil {
			fail(path, err)
		}
		counts["consistency"]++
		for _, changed := range changedHashes(file) {
			if checkConsistency(changed) == nil {
				fail(path, errors.New("was accepted as "+changed))
			}
			counts["changed"]++
		}
	}
	log := filepath.Join(directory, "log")
	checkpoint := read(filepath.Join(log, "checkpoint"))
	for at := range checkpoint {
		changed := append([]byte{}, checkpoint...)
		changed[at] = anotherLetter(changed[at])
		if _, err := openCheckpoint(changed, verifiers); err == nil {
			fail("checkpoint", fmt.Errorf("was accepted with byte %d changed", at))
		}
		counts["changed"]++
	}
	entries, err := checkLog(files{directory: log}, verifiers)
	if err != nil {
		fail(log, err)
	}
	for _, path := range strings.Fields(string(read(filepath.Join(directory, "spoil")))) {
		if _, err := checkLog(files{log, path}, verifiers); err == nil {
			fail(path, errors.New("was accepted with a byte changed"))
		}
		counts["changed"]++
	}
	fmt.Printf("ok good %d bad %d consistency %d entries %d changed %d\n",
		counts["good"], counts["bad"], counts["consistency"], entries, counts["changed"])
}

// changedHashes gives the file with one letter of one hash changed, once for each. Sizes are left: what binds them is
// the checkpoint's signature, and a proof holds for every pair of sizes of the same shape.
func changedHashes(file string) []string {
	var changed []string
	for n := range strings.Split(strings.TrimSuffix(file, "\n"), "\n") {
		if n == 0 || n == 2 {
			continue
		}
		lines := strings.Split(file, "\n")
		letter := "2"
		if lines[n][0] == '2' {
			letter = "3"
		}
		lines[n] = letter + lines[n][1:]
		changed = append(changed, strings.Join(lines, "\n"))
	}
	return changed
}

// anotherLetter differs in the bits that base64 keeps: Go reads a last letter whose two spare bits are set as the same
// bytes, which our reader refuses, so that a note cannot be written in two ways.
func anotherLetter(letter byte) byte {
	if letter == 'A' {
		return 'Q'
	}
	return 'A'
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

func list(directory, kind string) []string {
	paths, err := filepath.Glob(filepath.Join(directory, kind, "*"))
	if err != nil {
		fail(kind, err)
	}
	sort.Strings(paths)
	return paths
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		fail(path, err)
	}
	return data
}

// cosigner verifies C2SP cosignature/v1, which x/mod does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 72 {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), message)
	return ed25519.Verify(c.key, []byte(signed), signature[8:])
}

func readKeys(path string) []note.Verifier {
	var verifiers []note.Verifier
	for _, line := range strings.Fields(string(read(path))) {
		verifier, err := note.NewVerifier(line)
		if err != nil {
			verifier, err = newCosigner(line)
		}
		if err != nil {
			fail(line, err)
		}
		verifiers = append(verifiers, verifier)
	}
	return verifiers
}

func newCosigner(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not a cosigner's key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errors.New("another key id")
	}
	return cosigner{parts[0], hash, key[1:]}, nil
}

// openCheckpoint wants the signature of the log and of every witness.
func openCheckpoint(message []byte, verifiers []note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	opened, err := note.Open(message, note.VerifierList(verifiers...))
	if err != nil {
		return tree, err
	}
	if len(opened.Sigs) != len(verifiers) || len(opened.UnverifiedSigs) != 0 {
		return tree, errors.New("a signature is missing")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifiers[0].Name() || lines[3] != "" {
		return tree, errors.New("not a checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

func checkReceipt(receipt []byte, verifiers []note.Verifier) error {
	head, checkpoint, found := strings.Cut(string(receipt), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a receipt")
	}
	extra, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint([]byte(checkpoint), verifiers)
	if err != nil {
		return err
	}
	leaf, err := checkDisclosure(extra)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf))
}

// checkDisclosure recomputes what the leaf commits to, from docs/FORMATS.md alone, and gives the leaf.
func checkDisclosure(extra []byte) (leaf []byte, err error) {
	defer func() {
		if recover() != nil {
			leaf, err = nil, errors.New("the disclosure ends early")
		}
	}()
	take := func(count int) []byte {
		taken := extra[:count]
		extra = extra[count:]
		return taken
	}
	u8 := func() int { return int(take(1)[0]) }
	u16 := func() int { return int(binary.BigEndian.Uint16(take(2))) }
	if u8() != 1 {
		return nil, errors.New("unknown version")
	}
	leaf = take(u16())
	if len(leaf) != 201 || leaf[0] != 1 {
		return nil, errors.New("unknown leaf")
	}
	switch u8() {
	case 0:
	case 1:
		salt := take(32)
		subject := sha256.Sum256(bytes.Join([][]byte{[]byte("idv/subj/v1"), salt, take(u8())}, nil))
		if !bytes.Equal(subject[:], leaf[65:97]) {
			return nil, errors.New("another person")
		}
	default:
		return nil, errors.New("neither open nor closed")
	}
	var commitments [][]byte
	for count := u8(); count > 0; count-- {
		name := take(u8())
		salt := take(32)
		value := take(u16())
		size := func(part []byte) []byte { return binary.BigEndian.AppendUint32(nil, uint32(len(part))) }
		commitment := sha256.Sum256(bytes.Join([][]byte{[]byte("idv/attr/v1"), size(name), name, salt, size(value), value}, nil))
		commitments = append(commitments, commitment[:])
	}
	for count := u8(); count > 0; count-- {
		commitments = append(commitments, take(32))
	}
	if len(extra) != 0 {
		return nil, errors.New("bytes are left over")
	}
	sort.Slice(commitments, func(i, j int) bool { return bytes.Compare(commitments[i], commitments[j]) < 0 })
	root, err := rootOf(commitments)
	if err == nil && !bytes.Equal(root[:], leaf[97:129]) {
		err = errors.New("other statements")
	}
	return leaf, err
}

// stored keeps hashes by tlog's own numbering.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, index := range indexes {
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

func rootOf(entries [][]byte) (tlog.Hash, error) {
	var hashes stored
	for n, entry := range entries {
		more, err := tlog.StoredHashes(int64(n), entry, hashes)
		if err != nil {
			return tlog.Hash{}, err
		}
		hashes = append(hashes, more...)
	}
	return tlog.TreeHash(int64(len(entries)), hashes)
}

func checkConsistency(file string) error {
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	old, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil {
		return err
	}
	var hashes []tlog.Hash
	for _, line := range append([]string{lines[1], lines[3]}, lines[4:]...) {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		hashes = append(hashes, hash)
	}
	return tlog.CheckTree(tlog.TreeProof(hashes[2:]), size, hashes[1], old, hashes[0])
}

// files serves tiles from a directory, under their C2SP paths; a byte of the spoiled one is another.
type files struct{ directory, spoiled string }

func (f files) read(path string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.directory, path))
	if err == nil && path == f.spoiled {
		data[len(data)/2] ^= 1
	}
	return data, err
}

func (f files) Height() int { return 8 }
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := f.read(path)
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}
func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

// widest keeps of each tile the widest: this version of tlog also lists those of every smaller tree.
func widest(tiles []tlog.Tile) []tlog.Tile {
	var kept []tlog.Tile
	for _, tile := range tiles {
		last := len(kept) - 1
		if last >= 0 && kept[last].L == tile.L && kept[last].N == tile.N && kept[last].W < tile.W {
			kept[last] = tile
		} else {
			kept = append(kept, tile)
		}
	}
	return kept
}

// checkLog reads every leaf hash through the authenticated tile reader, compares each with its entry, and wants every
// tile that tlog expects of a tree of this size.
func checkLog(source files, verifiers []note.Verifier) (int64, error) {
	tree, err := openCheckpoint(read(filepath.Join(source.directory, "checkpoint")), verifiers)
	if err != nil {
		return 0, err
	}
	if _, err := source.ReadTiles(widest(tlog.NewTiles(8, 0, tree.N))); err != nil {
		return 0, err
	}
	reader := tlog.TileHashReader(tree, source)
	for first := int64(0); first < tree.N; first += 256 {
		width := tree.N - first
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: -1, N: first / 256, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := source.read(path)
		if err != nil {
			return 0, err
		}
		var indexes []int64
		for n := first; n < first+width; n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return 0, err
		}
		for _, hash := range hashes {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return 0, errors.New(path + " ends early")
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != hash {
				return 0, errors.New(path + " has another entry")
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return 0, errors.New(path + " goes on too long")
		}
	}
	return tree.N, nil
}
