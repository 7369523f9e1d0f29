/** The documents of the deployment by their paths in the API, with what each is for. */
export const DOCUMENTS = {
  "frequency-caps": "How many messages a person gets",
  events: "The data plan: events and their properties",
  computed: "Traits that are computed from events",
  lifecycle: "The stages of the life cycle",
  rfm: "Scores of buyers",
  retention: "How long data is kept",
  places: "Where messages stand on pages",
  providers: "Who delivers messages",
  audiences: "Audiences of ad platforms",
  senders: "Who messages are from",
  topics: "Topics to subscribe to",
  replies: "Replies of people, and what they do",
  "page-triggers": "Events that pages make by themselves",
} as const

export type DocumentName = keyof typeof DOCUMENTS

export const isDocumentName = (name: string): name is DocumentName => Object.hasOwn(DOCUMENTS, name)
