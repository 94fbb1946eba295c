// A peer that is otr3, of Debian's golang-github-twstrike-otr3-dev: one conversation, without a network.
// interop/src/otr/peer.ts says what the commands and answers are.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build otr3_peer.go
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/twstrike/otr3"
)

var (
	smpWords = map[otr3.SMPEvent]string{
		otr3.SMPEventError:        "ERROR",
		otr3.SMPEventAbort:        "ABORT",
		otr3.SMPEventCheated:      "CHEATED",
		otr3.SMPEventAskForAnswer: "ASK_FOR_ANSWER",
		otr3.SMPEventAskForSecret: "ASK_FOR_SECRET",
		otr3.SMPEventInProgress:   "IN_PROGRESS",
		otr3.SMPEventSuccess:      "SUCCESS",
		otr3.SMPEventFailure:      "FAILURE",
	}
	messageWords = map[otr3.MessageEvent]string{
		otr3.MessageEventEncryptionRequired:              "ENCRYPTION_REQUIRED",
		otr3.MessageEventEncryptionError:                 "ENCRYPTION_ERROR",
		otr3.MessageEventConnectionEnded:                 "CONNECTION_ENDED",
		otr3.MessageEventSetupError:                      "SETUP_ERROR",
		otr3.MessageEventMessageReflected:                "MSG_REFLECTED",
		otr3.MessageEventMessageSent:                     "MSG_SENT",
		otr3.MessageEventMessageResent:                   "MSG_RESENT",
		otr3.MessageEventReceivedMessageNotInPrivate:     "RCVDMSG_NOT_IN_PRIVATE",
		otr3.MessageEventReceivedMessageUnreadable:       "RCVDMSG_UNREADABLE",
		otr3.MessageEventReceivedMessageMalformed:        "RCVDMSG_MALFORMED",
		otr3.MessageEventLogHeartbeatReceived:            "LOG_HEARTBEAT_RCVD",
		otr3.MessageEventLogHeartbeatSent:                "LOG_HEARTBEAT_SENT",
		otr3.MessageEventReceivedMessageGeneralError:     "RCVDMSG_GENERAL_ERR",
		otr3.MessageEventReceivedMessageUnencrypted:      "RCVDMSG_UNENCRYPTED",
		otr3.MessageEventReceivedMessageUnrecognized:     "RCVDMSG_UNRECOGNIZED",
		otr3.MessageEventReceivedMessageForOtherInstance: "RCVDMSG_FOR_OTHER_INSTANCE",
	}
)

// Records of SMP, and how many numbers each has. There is no more to an abort than its type.
const (
	smp1     = 2
	smp2     = 3
	smp3     = 4
	smp4     = 5
	smpAbort = 6
)

var smpNumbers = map[uint16]int{smp1: 6, smp2: 11, smp3: 8, smp4: 3, smpAbort: 0}

type peer struct {
	key          *otr3.DSAPrivateKey
	conversation *otr3.Conversation
	versions     string
	// The version of the last message that it sent.
	version byte
	// Which record of SMP it sends when one of ours comes.
	next uint16
	// Its next record of SMP will be a lie.
	lies bool
	out  *bufio.Writer
}

// ---- What otr3 tells its host ------------------------------------------------

func (p *peer) HandleSMPEvent(event otr3.SMPEvent, percent int, question string) {
	if question == "" {
		p.event("smp %s", smpWords[event])
	} else {
		p.event("smp %s %x", smpWords[event], question)
	}
}

func (p *peer) HandleMessageEvent(event otr3.MessageEvent, _ []byte, _ error, _ ...interface{}) {
	p.event("msg %s", messageWords[event])
}

func (p *peer) HandleErrorMessage(code otr3.ErrorCode) []byte {
	return []byte(fmt.Sprintf("code %d", code))
}

func (p *peer) HandleSecurityEvent(event otr3.SecurityEvent) {
	switch event {
	case otr3.GoneSecure:
		p.event("gone_secure v%d ssid=%x", p.version, p.conversation.GetSSID())
	case otr3.StillSecure:
		p.event("still_secure v%d ssid=%x", p.version, p.conversation.GetSSID())
	case otr3.GoneInsecure:
		p.event("gone_insecure")
	}
}

func (p *peer) ReceivedSymmetricKey(use uint32, about []byte, key []byte) {
	p.event("symkey %d %x %x", use, about, key)
}

func (p *peer) event(format string, values ...interface{}) {
	fmt.Fprintf(p.out, "E "+format+"\n", values...)
}

func (p *peer) answer(kind string, text []byte) {
	fmt.Fprintf(p.out, "%s %x\n", kind, text)
}

func (p *peer) inject(messages []otr3.ValidMessage, err error) {
	if err != nil {
		p.event("error %q", err)
	}
	for _, message := range messages {
		// The first letters of what is encoded are the version.
		if start := bytes.Index(message, []byte("?OTR:AA")); start >= 0 {
			p.version = map[byte]byte{'I': 2, 'M': 3}[message[start+len("?OTR:AA")]]
		}
		p.answer("I", message)
	}
}

// ---- Commands ----------------------------------------------------------------

func (p *peer) forget() {
	c := &otr3.Conversation{Rand: rand.Reader}
	c.SetOurKeys([]otr3.PrivateKey{p.key})
	c.SetSMPEventHandler(p)
	c.SetMessageEventHandler(p)
	c.SetErrorMessageHandler(p)
	c.SetSecurityEventHandler(p)
	// This release calls the handler but has no way to set it.
	hidden(c, "receivedKeyHandler").Set(reflect.ValueOf(p))
	if strings.Contains(p.versions, "2") {
		c.Policies.AllowV2()
	}
	if strings.Contains(p.versions, "3") {
		c.Policies.AllowV3()
	}
	p.conversation = c
	p.lies = false
}

// A field that has no name outside of the library.
func hidden(c *otr3.Conversation, name string) reflect.Value {
	field := reflect.ValueOf(c).Elem().FieldByName(name)
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
}

// What the library remembers has happened so much earlier.
func (p *peer) wait(seconds uint64) {
	backdate(reflect.ValueOf(p.conversation).Elem(), -time.Duration(seconds)*time.Second)
}

func backdate(value reflect.Value, by time.Duration) {
	if value.Type() == reflect.TypeOf(time.Time{}) {
		moment := (*time.Time)(unsafe.Pointer(value.UnsafeAddr()))
		if !moment.IsZero() {
			*moment = moment.Add(by)
		}
		return
	}
	switch value.Kind() {
	case reflect.Ptr:
		if !value.IsNil() {
			backdate(value.Elem(), by)
		}
	case reflect.Struct:
		for i := 0; i < value.NumField(); i++ {
			backdate(value.Field(i), by)
		}
	}
}

func (p *peer) receive(message []byte) {
	wasEncrypted := p.conversation.IsEncrypted()
	text, replies, err := p.conversation.Receive(message)
	if wasEncrypted && !p.conversation.IsEncrypted() {
		p.event("disconnected")
	}
	if len(text) > 0 {
		kind := "C"
		if bytes.HasPrefix(message, []byte("?OTR")) {
			kind = "T"
		}
		p.answer(kind, text)
	}
	if wasEncrypted && len(replies) > 0 {
		p.compare(p.next, replies, err)
	} else {
		p.inject(replies, err)
	}
}

// Sends a record of SMP, or a lie in its place.
func (p *peer) compare(kind uint16, messages []otr3.ValidMessage, err error) {
	if p.lies {
		p.lies = false
		p.sendRecord(kind)
	} else {
		p.inject(messages, err)
	}
}

// The library takes for records what is behind a NUL in a text. The numbers are squares and so belong to the group, and
// they are in the range of exponents: nothing is wrong with them but that they prove nothing.
func (p *peer) sendRecord(kind uint16) {
	var value []byte
	if count := smpNumbers[kind]; count > 0 {
		value = binary.BigEndian.AppendUint32(value, uint32(count))
		for i := 0; i < count; i++ {
			number := big.NewInt(int64((i + 2) * (i + 2))).Bytes()
			value = binary.BigEndian.AppendUint32(value, uint32(len(number)))
			value = append(value, number...)
		}
	}
	record := binary.BigEndian.AppendUint16([]byte{0}, kind)
	record = binary.BigEndian.AppendUint16(record, uint16(len(value)))
	p.inject(p.conversation.Send(append(record, value...)))
}

func (p *peer) ask(question []byte, secret []byte) {
	p.next = smp3
	messages, err := p.conversation.StartAuthenticate(string(question), secret)
	p.compare(smp1, messages, err)
}

func (p *peer) answerComparison(secret []byte) {
	p.next = smp4
	messages, err := p.conversation.ProvideAuthenticationSecret(secret)
	p.compare(smp2, messages, err)
}

// The library has no call for it.
func (p *peer) abort() {
	p.sendRecord(smpAbort)
	comparison := hidden(p.conversation, "smp")
	comparison.Set(reflect.Zero(comparison.Type()))
}

func (p *peer) shareKey(use uint64, about []byte) {
	key, messages, err := p.conversation.UseExtraSymmetricKey(uint32(use), about)
	if err == nil {
		p.event("mysymkey %x", key)
	}
	p.inject(messages, err)
}

func (p *peer) obey(words []string) {
	switch words[0] {
	case "N":
		p.forget()
	case "P":
		p.versions = words[1]
		p.forget()
	case "W":
		p.wait(decodeNumber(words[1]))
	case "M":
		p.conversation.SetFragmentSize(uint16(decodeNumber(words[1])))
	case "R":
		p.receive(decodeHex(words[1]))
	case "S":
		p.inject(p.conversation.Send(decodeHex(words[1])))
	case "Q":
		p.inject([]otr3.ValidMessage{p.conversation.QueryMessage()}, nil)
	case "SMP":
		p.ask(nil, decodeHex(words[1]))
	case "SMPQ":
		p.ask(decodeHex(words[1]), decodeHex(words[2]))
	case "SMPR":
		p.answerComparison(decodeHex(words[1]))
	case "SMPA":
		p.abort()
	case "CHEAT":
		p.lies = true
	case "D":
		p.inject(p.conversation.End())
	case "K":
		p.shareKey(decodeNumber(words[1]), decodeHex(words[2]))
	default:
		panic("no such command: " + words[0])
	}
}

func decodeHex(text string) []byte {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return decoded
}

func decodeNumber(text string) uint64 {
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		panic(err)
	}
	return number
}

func (p *peer) endAnswer() {
	fmt.Fprintln(p.out, ".")
	p.out.Flush()
}

func main() {
	p := &peer{key: &otr3.DSAPrivateKey{}, versions: "23", out: bufio.NewWriter(os.Stdout)}
	if err := p.key.Generate(rand.Reader); err != nil {
		panic(err)
	}
	p.forget()
	p.event("ready %x otr3", p.key.PublicKey().Fingerprint())
	p.endAnswer()

	for in := bufio.NewReader(os.Stdin); ; p.endAnswer() {
		line, err := in.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if err != nil || line == "X" {
			return
		}
		p.obey(strings.Split(line, " "))
	}
}
