package call

// Rows gives the names of the table's cells, by input, for the tests and the
// package documentation.
func Rows() [][4]string {
	var rows [][4]string
	for _, r := range table {
		rows = append(rows, [4]string{r[Ringing].name, r[Connecting].name, r[Connected].name, r[Ended].name})
	}
	return rows
}
