import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { createRoot } from "react-dom/client"
import { onSessionEnd } from "./api/client"
import { problemOf } from "./api/problem"
import { router } from "./routes"
import { sessionQuery } from "./session/session"
import { applyTheme, storedTheme } from "./shell/theme"
import "./styles/tokens.css"
import "./styles/base.css"
import "./styles/shell.css"
import "./styles/parts.css"

applyTheme(storedTheme())

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // Also while the browser takes itself for offline: an answer that fails is told.
      networkMode: "always",
      // A refusal stays one; a lost connection may come back.
      retry: (count, error) => problemOf(error).status === 0 && count < 2,
    },
  },
})
// The shell asks for the session, and shows the way in.
onSessionEnd(() => void queries.resetQueries({ queryKey: sessionQuery.queryKey }))

createRoot(document.getElementById("root")!).render(
  <QueryClientProvider client={queries}>
    <RouterProvider router={router} />
  </QueryClientProvider>,
)
