package pgstore

// The statements of a commit. Each is for all changes of a wave, and takes a column of values as
// an array. Under READ COMMITTED each sees what was committed before it began, and what the
// statements before it did: so sqlMake finds the call that sqlClaim had to wait for.
//
// The verdicts are those of package store as numbers. 0 is none: what held an account was freed
// between the two statements, and the change is made again.
//
// Each table is looked up row by row, by OFFSET 0 or by arrays: as joins, the planner would read an
// index as a whole where it believes that a table is small, and keep that plan for a while. That a
// call lives is said by its state, not by ended_ns, so that no partial index offers itself.

// sqlClaim claims the accounts of new live calls, in the order of accounts. One that is taken is
// left to its holder.
const sqlClaim = `
INSERT INTO claims (account, call_id, attempt)
SELECT n.account, n.id, $1::bigint
FROM unnest($2::text[], $3::text[], $4::text[]) AS n (account, id, blocked)
WHERE NOT EXISTS (SELECT FROM calls c WHERE c.id = n.id OFFSET 0)
	AND NOT EXISTS (SELECT FROM blocks b WHERE b.account = n.account AND b.blocked = n.blocked OFFSET 0)
ORDER BY n.account COLLATE "C"
ON CONFLICT DO NOTHING`

// sqlMake gives new calls their verdicts and makes them, in the order of ids. Of the claims of
// sqlClaim only those of live calls stay. The columns of the busy variant are NULL where there is
// none.
const sqlMake = `
WITH judged AS MATERIALIZED (
	SELECT n.*, CASE v.verdict WHEN 1 THEN blocked."is" WHEN 4 THEN n.busy_body IS NOT NULL AND EXISTS (
			SELECT FROM calls c WHERE c.id = callee.call_id AND c.deaf AND c.callee = n.caller OFFSET 0) ELSE false END AS deafened,
		v.verdict, CASE v.verdict WHEN 3 THEN caller.call_id WHEN 4 THEN callee.call_id END AS holder,
		v.verdict = 1 OR v.verdict = 4 AND n.busy_body IS NOT NULL AS makes
	FROM unnest($5::text[], $6::text[], $7::text[], $8::boolean[],
		$9::bigint[], $10::smallint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[],
		$18::bigint[], $19::smallint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::text[], $24::bytea[], $25::bytea[], $26::bytea[]
	) WITH ORDINALITY AS n (id, caller, callee, deaf,
		rev, state, deadline_ns, created_ns, ended_ns, nodes, body, offer, answer,
		busy_rev, busy_state, busy_deadline_ns, busy_created_ns, busy_ended_ns, busy_nodes, busy_body, busy_offer, busy_answer, ord)
	LEFT JOIN LATERAL (SELECT k.call_id, k.attempt FROM claims k WHERE k.account = n.caller OFFSET 0) AS caller ON true
	LEFT JOIN LATERAL (SELECT k.call_id, k.attempt FROM claims k WHERE k.account = n.callee OFFSET 0) AS callee ON true
	CROSS JOIN LATERAL (SELECT n.ended_ns IS NULL AND EXISTS (
		SELECT FROM blocks b WHERE b.account = n.callee AND b.blocked = n.caller OFFSET 0)) AS blocked ("is")
	CROSS JOIN LATERAL (SELECT CASE
		WHEN EXISTS (SELECT FROM calls c WHERE c.id = n.id OFFSET 0) THEN 2
		WHEN n.ended_ns IS NOT NULL THEN 1
		WHEN caller.attempt IS NULL THEN 0
		WHEN caller.attempt <> $1::bigint THEN 3
		WHEN n.deaf OR blocked."is" THEN 1
		WHEN callee.attempt IS NULL THEN 0
		WHEN callee.attempt <> $1::bigint THEN 4
		ELSE 1 END) AS v (verdict)
), made AS (
	INSERT INTO calls (id, rev, state, deaf, caller, callee, deadline_ns, created_ns, ended_ns, changed_ns, attempt, nodes, format, body)
	SELECT id, CASE verdict WHEN 1 THEN rev ELSE busy_rev END, CASE verdict WHEN 1 THEN state ELSE busy_state END,
		deaf OR deafened, caller, callee,
		CASE verdict WHEN 1 THEN deadline_ns ELSE busy_deadline_ns END, CASE verdict WHEN 1 THEN created_ns ELSE busy_created_ns END,
		CASE verdict WHEN 1 THEN ended_ns ELSE busy_ended_ns END,
		(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000, $1::bigint,
		string_to_array(CASE verdict WHEN 1 THEN nodes ELSE busy_nodes END, E'\n'), ($2::smallint[])[ord],
		CASE verdict WHEN 1 THEN body ELSE busy_body END || CASE WHEN deafened THEN $3::bytea ELSE $4::bytea END
	FROM judged WHERE makes ORDER BY id COLLATE "C"
	ON CONFLICT (id) DO NOTHING
	RETURNING id
), final AS MATERIALIZED (
	SELECT j.*, CASE WHEN j.makes AND NOT j.made THEN 2 ELSE j.verdict END AS result
	FROM (SELECT ord, id, caller, callee, deafened, holder, makes, verdict, id IN (SELECT id FROM made) AS made,
		CASE verdict WHEN 1 THEN offer ELSE busy_offer END AS offer, CASE verdict WHEN 1 THEN answer ELSE busy_answer END AS answer
		FROM judged) AS j
), undone AS (
	DELETE FROM claims WHERE attempt = $1::bigint AND account = ANY (ARRAY(
		SELECT caller FROM final WHERE result <> 1 UNION ALL SELECT callee FROM final WHERE result <> 1 OR deafened))
), described AS (
	INSERT INTO descriptions (call_id, is_answer, sdp)
	SELECT f.id, d.is_answer, d.sdp FROM final f CROSS JOIN LATERAL (VALUES (false, f.offer), (true, f.answer)) AS d (is_answer, sdp)
	WHERE f.made AND d.sdp <> $4::bytea
	ON CONFLICT (call_id, is_answer) DO UPDATE SET sdp = EXCLUDED.sdp
)
SELECT ord, result, deafened AND result <> 2, CASE WHEN result <> 2 THEN coalesce(holder, '') ELSE '' END FROM final`

// sqlChange makes changes of live calls, in the order of ids, and returns which it made. Where
// another transaction changes a call meanwhile, PostgreSQL looks at the conditions of the UPDATE
// again: they must be whole, since the place of the new row may not be looked at. A
// description that is NULL stays as it is. An invitation that the call takes in becomes a tombstone,
// which nobody has a part in; where a call of its id is made meanwhile the statement fails, and the
// repetition sees that call.
const sqlChange = `
WITH new AS MATERIALIZED (
	SELECT n.*, c.place
	FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[],
		$11::bytea[], $12::bytea[], $14::text[], $15::bigint[], $16::bytea[]
	) WITH ORDINALITY AS n (id, was, rev, state, deadline_ns, ended_ns, nodes, body, offer, answer, merged, merged_ns, merged_body, ord)
	CROSS JOIN LATERAL (SELECT ctid FROM calls WHERE id = n.id AND rev = n.was AND state <> 4 AND format <= $2::smallint OFFSET 0) AS c (place)
	WHERE n.merged IS NULL OR NOT EXISTS (SELECT FROM calls m WHERE m.id = n.merged OFFSET 0)
), changed AS (
	UPDATE calls c SET rev = n.rev, state = n.state, deadline_ns = n.deadline_ns, ended_ns = n.ended_ns,
		changed_ns = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000, attempt = $1::bigint,
		nodes = string_to_array(n.nodes, E'\n'), format = ($13::smallint[])[n.ord], body = n.body
	FROM new n WHERE c.ctid = n.place AND c.rev = n.was AND c.state <> 4 AND c.format <= $2::smallint
	RETURNING n.ord, n.id, n.offer, n.answer, n.merged, n.merged_ns, n.merged_body
), buried AS (
	INSERT INTO calls (id, rev, state, deaf, caller, callee, created_ns, ended_ns, changed_ns, attempt, nodes, format, body)
	SELECT merged, 1, 4, false, '', '', merged_ns, merged_ns,
		(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000, $1::bigint, '{}', 1, merged_body
	FROM changed WHERE merged IS NOT NULL ORDER BY merged COLLATE "C"
), described AS (
	INSERT INTO descriptions AS d (call_id, is_answer, sdp)
	SELECT c.id, n.is_answer, n.sdp FROM changed c CROSS JOIN LATERAL (VALUES (false, c.offer), (true, c.answer)) AS n (is_answer, sdp)
	WHERE n.sdp IS NOT NULL
	ON CONFLICT (call_id, is_answer) DO UPDATE SET sdp = EXCLUDED.sdp WHERE d.sdp <> EXCLUDED.sdp
)
SELECT ord FROM changed`

// sqlEnd does what belongs to the ends that this transaction made: it frees the claims, deletes the
// descriptions, lists the call for its parties and files the record. It leaves the ids of the records
// that it filed to sqlEvents, in the setting peal.filed, which ends with the transaction: a search in
// records would open each partition.
const sqlEnd = `
WITH ended AS MATERIALIZED (
	SELECT n.*, c.deaf
	FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[],
		$7::smallint[], $8::smallint[], $9::smallint[], $10::bigint[], $11::bigint[], $12::bigint[],
		$13::text[], $14::text[], $15::text[], $16::text[]
	) AS n (id, rev, caller, callee, bare, kind, type, reason, created_ns, ended_ns, duration_s,
		caller_name, caller_avatar, callee_name, callee_avatar)
	CROSS JOIN LATERAL (SELECT deaf FROM calls WHERE id = n.id AND attempt = $1::bigint AND rev = n.rev AND state = 4 OFFSET 0) AS c
), freed AS (
	DELETE FROM claims WHERE account = ANY (ARRAY(SELECT caller FROM ended UNION ALL SELECT callee FROM ended))
		AND call_id = ANY (ARRAY(SELECT id FROM ended))
), stripped AS (
	DELETE FROM descriptions WHERE call_id = ANY (ARRAY(SELECT id FROM ended WHERE bare))
), listed AS (
	INSERT INTO parties (account, ended_ns, call_id)
	SELECT caller, ended_ns, id FROM ended
	UNION ALL SELECT callee, ended_ns, id FROM ended WHERE NOT deaf AND callee <> '' -- A tombstone has no callee.
	ON CONFLICT DO NOTHING
), filed AS (
	INSERT INTO records (call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
		caller_name, caller_avatar, callee_name, callee_avatar, deaf)
	SELECT id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
		caller_name, caller_avatar, callee_name, callee_avatar, deaf
	FROM ended WHERE kind <> 0
	ON CONFLICT (call_id) DO NOTHING RETURNING call_id
)
SELECT set_config('peal.filed', coalesce(array_agg(call_id)::text, ''), true) FROM filed`
