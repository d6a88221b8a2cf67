package delivery

import "time"

// Result is the result of a try. It is a label of a metric.
type Result string

// The results. All but Delivered and Abandoned are failures.
const (
	Delivered Result = "delivered" // The endpoint answered 2xx.
	Gone      Result = "gone"      // It answered 410, which disables it.
	Redirect  Result = "redirect"  // It answered 3xx: a redirect is not followed.
	Status    Result = "status"    // It answered another status.
	Timeout   Result = "timeout"   // It gave no answer in time.
	Blocked   Result = "blocked"   // Its address may not be reached.
	Connect   Result = "connect"   // The name, the connection, TLS or the answer failed.
	Abandoned Result = "abandoned" // The server stopped, or the event is stale. It does not count as a try.
)

// Results lists those that count.
func Results() []Result {
	return []Result{Delivered, Gone, Redirect, Status, Timeout, Blocked, Connect}
}

// RetryAfterMost is the longest pause that an endpoint may ask for.
const RetryAfterMost = time.Hour

// Attempt is the outcome of one try.
type Attempt struct {
	Result Result
	// Status is that of the answer; 0 where there was none.
	Status int
	// RetryAfter is the pause that the endpoint asked for; 0 for none.
	RetryAfter time.Duration
	// Detail says in words why a try failed, without the URL, which may hold a secret.
	Detail string
	// Ahead is how far the endpoint's clock is ahead of this one, where Clock is true.
	Ahead time.Duration
	Clock bool
}
