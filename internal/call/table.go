package call

// rule is one cell of the table: what an input does in a state.
type rule struct {
	// name is how the package documentation shows the cell.
	name string
	do   func(*step, Input) error
}

// row holds the rules of one input, by state.
type row [Ended + 1]rule

// on makes a rule of a handler for one type of input.
func on[I Input](name string, f func(*step, I) error) rule {
	return rule{name, func(s *step, in Input) error { return f(s, in.(I)) }}
}

// ignored changes nothing and is no error: a duplicate, or news that is old.
func ignored() rule {
	return rule{"ignored", func(*step, Input) error { return nil }}
}

// refused is an error in this state whoever asks. A stranger still gets no answer.
func refused(why Refusal) rule {
	return rule{"refused " + string(why), func(s *step, in Input) error {
		if s.call.Leg(in.Sender().Account) == nil {
			return Stranger
		}
		return why
	}}
}

// rules orders the cells of a row by state.
func rules(ringing, connecting, connected, ended rule) row {
	return row{Ringing: ringing, Connecting: connecting, Connected: connected, Ended: ended}
}

// table says what every input does in every state. doc.go shows it; a test
// holds the two together.
var table = [numKinds]row{
	kindCancel: rules(
		on("ends cancelled", (*step).cancel),
		refused(AlreadyAccepted), refused(AlreadyAccepted),
		on("repeat or refused call_ended", func(s *step, in Cancel) error { return s.repeated(Cancelled, in.Device) })),
	kindOffer: rules(
		on("sets offer", (*step).offer), on("sets offer", (*step).offer), on("sets offer", (*step).offer),
		refused(CallEnded)),
	kindRing: rules(
		on("notes the ringer", (*step).ring),
		ignored(), ignored(), ignored()),
	kindStopRinging: rules(
		on("stops that device", (*step).stopRinging),
		ignored(), ignored(), ignored()),
	kindAccept: rules(
		on("to connecting", (*step).accept),
		on("repeat or refused answered_elsewhere", (*step).acceptAgain),
		on("repeat or refused answered_elsewhere", (*step).acceptAgain),
		refused(CallEnded)),
	kindMerge: rules(
		on("to connecting", (*step).merge),
		on("repeat or refused answered_elsewhere", (*step).mergeAgain),
		on("repeat or refused answered_elsewhere", (*step).mergeAgain),
		refused(CallEnded)),
	kindReject: rules(
		on("ends rejected", (*step).reject),
		refused(AlreadyAccepted), refused(AlreadyAccepted),
		on("repeat or refused call_ended", func(s *step, in Reject) error { return s.repeated(Rejected, in.Device) })),
	kindAnswer: rules(
		refused(NotAccepted),
		on("sets answer", (*step).answer), on("sets answer", (*step).answer),
		refused(CallEnded)),
	kindHangup: rules(
		on("ends cancelled or rejected", (*step).hangupRinging),
		on("ends completed", (*step).hangup), on("ends completed", (*step).hangup),
		ignored()),
	kindReport: rules(
		refused(NotAccepted),
		on("notes media; both up: to connected", (*step).report),
		on("notes media", (*step).report),
		ignored()),
	kindRestart: rules(
		on("caller: next generation", (*step).restartRinging),
		on("next generation", (*step).restart), on("next generation", (*step).restart),
		refused(CallEnded)),
	kindSetTracks: rules(
		on("notes tracks", (*step).setTracks), on("notes tracks", (*step).setTracks), on("notes tracks", (*step).setTracks),
		ignored()),
	kindSwitchType: rules(
		refused(NotAccepted),
		on("to audio; to video when both ask", (*step).switchType),
		on("to audio; to video when both ask", (*step).switchType),
		refused(CallEnded)),
	kindGone: rules(
		on("begins grace", (*step).gone), on("begins grace", (*step).gone), on("begins grace", (*step).gone),
		ignored()),
	kindBack: rules(
		on("ends grace", (*step).back), on("ends grace", (*step).back), on("ends grace", (*step).back),
		ignored()),
	kindLeave: rules(
		on("shortens grace", (*step).leave), on("shortens grace", (*step).leave), on("shortens grace", (*step).leave),
		ignored()),
	kindReload: rules(
		on("ends lost, or next generation", (*step).reload),
		on("ends lost, or next generation", (*step).reload),
		on("ends lost, or next generation", (*step).reload),
		ignored()),
	kindSupersede: rules(
		on("caller: ends superseded; callee: ends rejected", (*step).supersedeRinging),
		on("ends superseded", (*step).supersede), on("ends superseded", (*step).supersede),
		ignored()),
	kindKick: rules(
		on("ends kicked", (*step).kick), on("ends kicked", (*step).kick), on("ends kicked", (*step).kick),
		ignored()),
	kindTick: rules(
		on("may end timeout or lost", (*step).tickRinging),
		on("may end failed or lost", (*step).tickAnswered),
		on("may end lost", (*step).tickAnswered),
		ignored()),
	kindTerminate: rules(
		on("ends server", (*step).terminate), on("ends server", (*step).terminate), on("ends server", (*step).terminate),
		ignored()),
}
