import { describe, expect, it } from "vitest";
import { at, isAddress, isPrivate, placesOf } from "./address";
import { claims } from "./refused";

const servers = [
  { urls: ["stun:203.0.113.7:3478"] },
  {
    urls: [
      "turn:turn.example.com:3478?transport=udp",
      "turn:turn.example.com:3478?transport=tcp",
      "turns:[2001:db8::7]:443?transport=tcp",
    ],
    username: "u",
    credential: "c",
  },
];

describe("where the relay is", () => {
  it("is read from the URLs of each transport", () => {
    expect(placesOf(servers, "stun", "udp")).toMatchObject([
      { host: "203.0.113.7", port: 3478, at: "203.0.113.7:3478", username: "" },
    ]);
    expect(placesOf(servers, "turn", "udp")).toMatchObject([
      { host: "turn.example.com", port: 3478, username: "u", credential: "c" },
    ]);
    expect(placesOf(servers, "turn", "tcp")).toHaveLength(1);
    expect(placesOf(servers, "turns", "tls")).toMatchObject([
      { host: "2001:db8::7", port: 443, at: "[2001:db8::7]:443" },
    ]);
    expect(placesOf([], "turn", "udp")).toEqual([]);
    expect(at("2001:db8::7", 1)).toBe("[2001:db8::7]:1");
    expect(at("10.0.0.1", 1)).toBe("10.0.0.1:1");
  });

  it("is an address or a name", () => {
    expect(["10.0.0.1", "::1"].every(isAddress)).toBe(true);
    expect(["turn.example.com", "localhost"].some(isAddress)).toBe(false);
  });
});

describe("an address", () => {
  it.each(["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1"])(
    "%s is private",
    (host) => expect(isPrivate(host)).toBe(true),
  );
  it.each(["::1", "fd00::1", "fe80::1", "localhost", "abc.local", "198.51.100.1", "203.0.113.7"])(
    "%s is not of the public internet",
    (host) => expect(isPrivate(host)).toBe(true),
  );
  it.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "calls.example.com", ""])(
    "%s may be public",
    (host) => expect(isPrivate(host)).toBe(false),
  );
});

describe("a token", () => {
  it("tells its key and its end", () => {
    const part = (value: unknown): string => btoa(JSON.stringify(value)).replaceAll("=", "");
    const token = `${part({ kid: "main" })}.${part({ sub: "a", exp: 7 })}.x`;
    expect(claims(token)).toEqual({ kid: "main", exp: 7 });
  });

  it.each(["", "nonsense", "a.b.c", `${btoa("7")}.${btoa("null")}.x`])("%j tells nothing", (text) =>
    expect(claims(text)).toEqual({ kid: "", exp: 0 }),
  );
});
