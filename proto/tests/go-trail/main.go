// Verifies a person's trail with software that is not ours: golang.org/x/mod/sumdb/{note,tlog} and Go's own crypto.
// `proto/tests/trails.rs` writes the files and runs this:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run . VKEY VKEY < TRAIL
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	trail, err := io.ReadAll(os.Stdin)
	must(err)
	var keys []note.Verifier
	for _, vkey := range os.Args[1:] {
		key, err := note.NewVerifier(vkey)
		must(err)
		keys = append(keys, key)
	}
	blocks := strings.Split(string(trail), "\n\n")
	head := strings.Split(blocks[0], "\n")
	if head[0] != "xacminh/trail@v1" {
		fail("another format")
	}
	chain := unbase64(strings.TrimPrefix(head[1], "seed "))
	shards, err := strconv.Atoi(strings.TrimPrefix(head[2], "checkpoints "))
	must(err)
	if len(blocks) != 2*(shards+1)+2 {
		fail("another number of notes")
	}
	var notes []string
	for at := 1; at < len(blocks)-1; at += 2 {
		opened, err := note.Open([]byte(blocks[at]+"\n\n"+blocks[at+1]+"\n"), note.VerifierList(keys...))
		must(err)
		notes = append(notes, opened.Text)
	}
	count, pruned := 0, 0
	for _, line := range strings.Split(strings.TrimSuffix(blocks[len(blocks)-1], "\n"), "\n") {
		words := strings.Split(line, " ")
		var hash tlog.Hash
		if words[0] == "withheld" {
			copy(hash[:], unbase64(words[2]))
		} else if words[0] == "pruned" {
			if pruned++; pruned != count+1 {
				fail("a leaf that is no longer kept comes after one that is")
			}
			copy(hash[:], unbase64(words[3]))
			checkInclusion(notes, words, hash)
		} else {
			leaf := unbase64(words[3])
			if words[0] == "shown" {
				leaf = leaf[3 : 3+int(leaf[1])<<8+int(leaf[2])]
			}
			link := sha256.Sum256(append([]byte("xacminh/trail-link/v1"), chain...))
			if string(leaf[169:201]) != string(link[:]) {
				fail("a leaf does not follow the one before it")
			}
			hash = tlog.RecordHash(leaf)
			checkInclusion(notes, words, hash)
		}
		next := sha256.Sum256(append(append([]byte("xacminh/trail-chain/v1"), chain...), hash[:]...))
		chain = next[:]
		count++
	}
	end := strings.Split(notes[shards], "\n")
	if end[2] != strconv.Itoa(count) || end[3] != hex.EncodeToString(chain) {
		fail("another end")
	}
	if told := strings.HasPrefix(end[4], "pruned "); told != (pruned > 0) || told && end[4] != "pruned "+strconv.Itoa(pruned) {
		fail("other leaves are no longer kept than the log says")
	}
	fmt.Printf("ok %d\n", count)
}

func checkInclusion(notes, words []string, hash tlog.Hash) {
	shard, err := strconv.Atoi(words[1])
	must(err)
	index, err := strconv.ParseInt(words[2], 10, 64)
	must(err)
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.SplitN(notes[shard], "\n", 2)[1]))
	must(err)
	var proof tlog.RecordProof
	for _, word := range words[4:] {
		var sibling tlog.Hash
		copy(sibling[:], unbase64(word))
		proof = append(proof, sibling)
	}
	must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash))
}

func unbase64(text string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	must(err)
	return data
}

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
