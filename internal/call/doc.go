// Package call is the state machine of one call: pure, complete, and the only
// place that decides how a call goes on and ends.
//
//	            Accept, Merge            both sides' media up
//	┌─────────┐             ┌────────────┐             ┌───────────┐
//	│ ringing │ ──────────► │ connecting │ ──────────► │ connected │
//	└─────────┘             └────────────┘             └───────────┘
//	     │                        │                          │
//	     │ cancelled, rejected,   │ completed, failed,       │ completed,
//	     │ timeout, lost,         │ lost, superseded,        │ lost, superseded,
//	     │ superseded, kicked,    │ kicked, server           │ kicked, server
//	     │ server                 │                          │
//	     ▼                        ▼                          ▼
//	┌────────────────────────────────────────────────────────────────┐
//	│ ended: one reason, one record, nothing changes any more        │
//	└────────────────────────────────────────────────────────────────┘
//
// A call is made by New; NewBusy is what the same invitation comes to when the
// callee is taken. Step applies one input and returns a new call: it reads no
// clock, does no I/O, and changes nothing that it is given.
//
// The caller, which is the node, keeps this contract:
//
//   - Where Rev has grown, commit the call first, as the successor of the rev
//     that was stepped; on a conflict load it again and step again.
//   - Only then carry out the effects: tell the call to those they name.
//   - Give a Tick when Deadline comes. A late one comes to the same outcome.
//   - Tell it of connections: Gone when one is lost, Back or Reload when the
//     device has a new one. The call ignores an input that names another
//     connection of the device than the present one.
//   - Answer nobody who has no Leg in the call: rules that ignore an input
//     ignore it from strangers too.
//   - Where the store made a new call deaf, leave out the effects of New that
//     name the callee.
//
// A deaf call is one to somebody who blocks the caller: see Call.Deaf. The callee
// is a stranger to it in every row of the table, so it rings until the caller, a
// time-out, a lost connection or an operator ends it, as a call to somebody who is
// offline does.
//
// What every input does in every state (a test holds this to the table):
//
//	input         ringing                                            connecting                             connected                              ended
//	cancel        ends cancelled                                     refused already_accepted               refused already_accepted               repeat or refused call_ended
//	offer         sets offer                                         sets offer                             sets offer                             refused call_ended
//	ring          notes the ringer                                   ignored                                ignored                                ignored
//	stop ringing  stops that device                                  ignored                                ignored                                ignored
//	accept        to connecting                                      repeat or refused answered_elsewhere   repeat or refused answered_elsewhere   refused call_ended
//	merge         to connecting                                      repeat or refused answered_elsewhere   repeat or refused answered_elsewhere   refused call_ended
//	reject        ends rejected                                      refused already_accepted               refused already_accepted               repeat or refused call_ended
//	answer        refused not_accepted                               sets answer                            sets answer                            refused call_ended
//	hangup        ends cancelled or rejected                         ends completed                         ends completed                         ignored
//	report        refused not_accepted                               notes media; both up: to connected     notes media                            ignored
//	restart       caller: next generation                            next generation                        next generation                        refused call_ended
//	tracks        notes tracks                                       notes tracks                           notes tracks                           ignored
//	switch type   refused not_accepted                               to audio; to video when both ask       to audio; to video when both ask       refused call_ended
//	gone          begins grace                                       begins grace                           begins grace                           ignored
//	back          ends grace                                         ends grace                             ends grace                             ignored
//	leave         shortens grace                                     shortens grace                         shortens grace                         ignored
//	reload        ends lost, or next generation                      ends lost, or next generation          ends lost, or next generation          ignored
//	supersede     caller: ends superseded; callee: ends rejected     ends superseded                        ends superseded                        ignored
//	kick          ends kicked                                        ends kicked                            ends kicked                            ignored
//	tick          may end timeout or lost                            may end failed or lost                 may end lost                           ignored
//	terminate     ends server                                        ends server                            ends server                            ignored
package call
