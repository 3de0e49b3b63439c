// verify_ledger checks what a server says about its ledger with somebody else's code: the transparency log of the Go
// project (golang.org/x/mod/sumdb). It shares nothing with the server but the formats it reads.
//
// On standard input: JSON documents, one case each, that hold the answers of the API as they came. On standard output: for
// each case one line of JSON, {"error": ""} where everything holds, and otherwise what does not.
//
//	checkpoint     a signed note (c2sp.org/tlog-checkpoint) that the verifier key must have signed
//	leaf, proof    the bytes of an entry, and its proof with a checkpoint (c2sp.org/tlog-proof)
//	known, growth  a checkpoint that was kept, and the proof that the log only grew since (c2sp.org/tlog-witness)
//
// Built in GOPATH mode against golang-golang-x-mod-dev of Debian; test/slow/outside-ledger.test.ts runs it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type testCase struct {
	VerifierKey string `json:"verifierKey"`
	Checkpoint  string `json:"checkpoint"`
	Leaf        []byte `json:"leaf"`
	Proof       string `json:"proof"`
	Known       string `json:"known"`
	Growth      string `json:"growth"`
}

type verdict struct {
	Error string `json:"error"`
}

func main() {
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	output := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(output)
	for {
		var c testCase
		if err := input.Decode(&c); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		var answer verdict
		if err := verify(c); err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
	if err := output.Flush(); err != nil {
		log.Fatal(err)
	}
}

func verify(c testCase) error {
	key, err := note.NewVerifier(c.VerifierKey)
	if err != nil {
		return err
	}
	switch {
	case c.Checkpoint != "":
		_, err = openCheckpoint(c.Checkpoint, key)
	case c.Proof != "":
		err = verifyInclusion(c.Leaf, c.Proof, key)
	case c.Growth != "":
		err = verifyGrowth(c.Known, c.Growth, key)
	default:
		err = errors.New("the case holds nothing to verify")
	}
	return err
}

func verifyInclusion(leaf []byte, proof string, key note.Verifier) error {
	lines, checkpoint, err := splitProof(proof)
	if err != nil {
		return err
	}
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a proof of an entry")
	}
	n, err := parseNumber(lines[1], "index ")
	if err != nil {
		return err
	}
	path, err := parseHashes(lines[2:])
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(checkpoint, key)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, n, tlog.RecordHash(leaf))
}

func verifyGrowth(known, proof string, key note.Verifier) error {
	old, err := openCheckpoint(known, key)
	if err != nil {
		return err
	}
	lines, checkpoint, err := splitProof(proof)
	if err != nil {
		return err
	}
	from, err := parseNumber(lines[0], "old ")
	if err != nil {
		return err
	}
	if from != old.N {
		return fmt.Errorf("the proof begins at %d, not at %d", from, old.N)
	}
	path, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(checkpoint, key)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash)
}

// openCheckpoint returns the tree of a note that the key has signed.
func openCheckpoint(text string, key note.Verifier) (tlog.Tree, error) {
	signed, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := parseNumber(lines[1], "")
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// splitProof returns the lines before the first empty one, of which there is at least one, and what follows it.
func splitProof(text string) (lines []string, checkpoint string, err error) {
	before, after, found := strings.Cut(text, "\n\n")
	if !found {
		return nil, "", errors.New("a proof without a checkpoint")
	}
	return strings.Split(before, "\n"), after, nil
}

func parseNumber(line, prefix string) (int64, error) {
	digits := strings.TrimPrefix(line, prefix)
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !strings.HasPrefix(line, prefix) || strconv.FormatInt(number, 10) != digits {
		return 0, fmt.Errorf("not a number: %q", line)
	}
	return number, nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(lines))
	for i, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}
