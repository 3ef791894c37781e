"""Claude as this agent: its prompt, its tools, its allow-lists, kept in step with the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hyperhive.harness.bash_policy import Decision
from hyperhive.harness.prompt import Places, system_prompt
from hyperhive.harness.session import Session
from hyperhive.harness.session_events import Report, TurnOutcome, notice
from hyperhive.harness.session_options import SessionOptions, proxy_environment
from hyperhive.harness.tool_policy import ToolPolicy, decide_tool
from hyperhive.protocol.answers import TurnStart, Welcome
from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.patterns import parse_bash_patterns

DEFAULT_MODEL = "default"
"""Claude Code's own choice, where the host has none; the self-check asks no model."""


class Agent:
    """One conversation. Settings take effect with the next turn; what can wait for none of them."""

    def __init__(
        self,
        welcome: Welcome,
        options: SessionOptions,
        places: Places,
        settings: Callable[[], AgentSettings],
        proxy_url: str,
    ) -> None:
        self._name = welcome.agent
        self._role = welcome.role
        self._capabilities = welcome.capabilities
        self._places = places
        self._settings = settings
        self._environments = {
            False: options.environment,
            True: {**options.environment, **proxy_environment(proxy_url)},
        }
        """Without and with a way to the network."""
        self._policy = ToolPolicy(allowed_tools=(), allowed_bash=(), mcp_servers=frozenset())
        self._session = Session(options, self._decide)
        self.new = self._session.new
        self.release = self._session.release
        self.interrupt = self._session.interrupt

    @property
    def warm(self) -> bool:
        """Whether Claude's process is there and takes its memory."""
        return self._session.warm

    async def check(self) -> list[str]:
        """Start Claude and the MCP servers; returns what is wrong, one line each.

        In a process apart, so that a turn goes on undisturbed; a turn names its own model anyhow.
        """
        options = self._options(self._settings(), None)
        apart = options.id_file.with_name("session-check")  # it resumes nothing
        # A turn's own process may not have read its files yet.
        with TemporaryDirectory(dir=options.scratch, ignore_cleanup_errors=True) as scratch:
            own = replace(options, id_file=apart, scratch=Path(scratch))
            probe = Session(own, self._decide)
            try:
                return await probe.check(model=DEFAULT_MODEL)
            finally:
                await probe.release()

    async def answer(self, prompt: str, start: TurnStart, report: Report) -> TurnOutcome:
        """One turn. A conversation that outgrew the model is summed up, else begun anew, once.

        Raises SessionError.
        """
        self._apply(start.fallback_model)
        model = start.model or DEFAULT_MODEL
        outcome = await self._session.run(prompt, model=model, report=report)
        if outcome.status != "overflow":
            return outcome
        report(notice("The conversation no longer fits the model: it is compacted."))
        compacted = await self._session.compact(model=model, report=report)
        if compacted.status == "interrupted":
            return compacted
        if not compacted.clean:
            # Left as it is, every further turn would overflow too.
            report(notice(f"That failed ({compacted.text}): a new conversation begins."))
            await self._session.new()
        return await self._session.run(prompt, model=model, report=report)

    def _apply(self, fallback: str | None) -> None:
        """Take over the settings of now; where they change its options the process restarts."""
        settings = self._settings()
        own = self._session.options.own_servers
        self._session.options = self._options(settings, fallback)
        self._policy = ToolPolicy(
            allowed_tools=settings.allowed_tools,
            allowed_bash=parse_bash_patterns(settings.allowed_bash),
            mcp_servers=frozenset({*own, *settings.extra_mcp_servers}),
            home=Path(self._session.options.environment["HOME"]),
            workspace=self._session.options.workspace,
        )

    def _options(self, settings: AgentSettings, fallback: str | None) -> SessionOptions:
        return replace(
            self._session.options,
            environment=self._environments[bool(settings.egress.allow)],
            prompt=system_prompt(
                self._name, self._role, settings, self._places, self._capabilities
            ),
            tools=settings.allowed_tools,
            fallback_model=fallback,
            extra_servers=settings.extra_mcp_servers,
        )

    def _decide(self, tool: str, tool_input: Mapping[str, object]) -> Decision:
        return decide_tool(tool, tool_input, self._policy)
