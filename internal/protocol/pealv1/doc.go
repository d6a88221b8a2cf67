// Package pealv1 is the wire protocol's messages, generated from peal.proto,
// whose comments say what they mean. protocol encodes, decodes and checks them.
package pealv1
