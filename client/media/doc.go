// Package media gives the calls of package client sound and picture: programs
// that talk to browsers, and to each other.
//
// A [Phone] carries the media of a client's calls, and each call has a
// [Session]: the WebRTC connection that follows what the server tells, over new
// paths, reconnects and calls that meet. A program that repeats what it hears
// and sees:
//
//	phone, err := media.New(c, media.Options{}) // c is a client.Client.
//	…
//	for {
//		event, err := phone.Next(ctx) // In the place of c.Next.
//		…
//		if e, ok := event.(client.Incoming); ok {
//			s := phone.Session(e.Call)
//			err = s.Accept(ctx, media.Streams{
//				Tracks:            client.Tracks{Audio: true, Video: true},
//				OnAudio:           func(f media.Frame) { _ = s.Send(media.Audio, f) },
//				OnVideo:           func(f media.Frame) { _ = s.Send(media.Video, f) },
//				OnKeyframeRequest: s.RequestKeyframe,
//			})
//		}
//	}
//
// Sound is Opus and the picture is VP8, which every browser speaks; nothing is
// encoded or decoded here. Every call negotiates both, so that an audio call can
// become a video call at once. Calls end by the methods of [client.Call], which
// [Session.Call] gives.
//
// All methods are safe for concurrent use, but those of a [Clip]. The functions
// of [Streams] are called by the session's goroutines. One goroutine owns each
// peer connection; whatever comes from elsewhere is handed to it.
package media
