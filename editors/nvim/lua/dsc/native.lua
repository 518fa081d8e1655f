--- Ghost text by Neovim's own |vim.lsp.inline_completion| (0.12).
local insert = require('dsc.insert')

local M = {}

--- Neovim inserts at the place that the text was offered for; what was typed since would stay
--- behind it. So we insert ourselves.
local function suggestion_of(item)
  local row, start_column, _, end_column = item.range:to_extmark()
  return {
    row = row,
    start_column = start_column,
    replaced = end_column - start_column,
    text = item.insert_text:gsub('\r\n', '\n'),
    command = item.command,
    client_id = item.client_id,
  }
end

--- @param otherwise fun() called if the suggestion that is shown does not fit any more
--- @return boolean taken whether there is a suggestion to take; it is taken a moment later
function M.accept(cut, otherwise)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      if type(item.insert_text) ~= 'string' or not item.range then
        return item
      end
      if not insert.take(suggestion_of(item), cut) then
        otherwise()
      end
    end,
  })
end

function M.dismiss()
  return vim.lsp.inline_completion.get({ on_accept = function() end })
end

function M.select(count)
  vim.lsp.inline_completion.select({ count = count })
end

function M.enable(enabled, buffer)
  vim.lsp.inline_completion.enable(enabled, { bufnr = buffer })
end

return M
