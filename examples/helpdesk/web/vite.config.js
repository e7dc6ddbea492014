import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Relative addresses, so that the built page can be served from any folder of any server.
export default defineConfig({ base: "./", plugins: [react()] });
