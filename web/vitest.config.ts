import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["sdk/**/*.test.ts", "ui/**/*.test.ts", "demo/**/*.test.ts", "doctor/**/*.test.ts"],
    // Sockets and peer connections are fakes behind interfaces, so no test needs a document.
    environment: "node",
    // Real time has no place in a unit test: one that waits is stopped soon.
    testTimeout: 5_000,
  },
});
